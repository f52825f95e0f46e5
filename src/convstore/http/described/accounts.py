"""Sessions and personal access tokens."""

from convstore.http.api_tokens import WantedToken
from convstore.http.login import Credentials
from convstore.http.negotiation import Format
from convstore.http.openapi.operation import Body, Operation, Tag, json, nothing
from convstore.http.openapi.words import (
    ADDRESS,
    BOOLEAN,
    INTEGER,
    LOCATION,
    NOT_STORED,
    SESSION_COOKIE,
    TEXT,
    TIME,
    UID,
    array,
    members,
    nullable,
    path,
    web_message,
)

CONFIG = Operation(
    tag=Tag.ACCOUNTS,
    summary="What a login page is to look like",
    answers={
        200: json(
            "Its title and the like.",
            members(
                {
                    "applicationTitle": TEXT,
                    "uiLocale": TEXT,
                    "loginPageLayout": TEXT,
                    "selfRegistrationEnabled": BOOLEAN,
                    "emailConfigured": BOOLEAN,
                    "oidcProviders": array({}),
                    "apiVersion": TEXT,
                }
            ),
            headers=(NOT_STORED,),
        )
    },
)

_FROM_ELSEWHERE = "Another server's page cannot log anybody in or out."
_LET_IN_BY_NONE = "Name and password open no account."

LOG_IN = Operation(
    tag=Tag.ACCOUNTS,
    summary="Log in, and get a session",
    body=Body(content={Format.JSON.value: Credentials}),
    answers={
        200: json(
            "The session's cookie.",
            members({"loginStatus": {"const": "SUCCESS"}, "redirectUrl": ADDRESS}),
            headers=(SESSION_COOKIE, NOT_STORED),
        )
    },
    refusals={401: _LET_IN_BY_NONE, 403: _FROM_ELSEWHERE},
)

LOG_OUT = Operation(
    tag=Tag.ACCOUNTS,
    summary="End the session, if there is one",
    answers={
        200: json(
            "There is none (any more).",
            members({"httpStatus": TEXT, "httpStatusCode": INTEGER, "status": TEXT, "message": TEXT}),
            headers=(SESSION_COOKIE, NOT_STORED),
        )
    },
    refusals={403: _FROM_ELSEWHERE},
)

_TO_THE_FRONT = nothing("To the front page.", headers=(LOCATION, SESSION_COOKIE))

LOG_IN_BY_FORM = LOG_IN.but(
    summary="Log in by a form, as older clients do",
    body=Body(
        content={
            "application/x-www-form-urlencoded": members({"j_username": TEXT, "j_password": TEXT}),
        }
    ),
    answers={302: _TO_THE_FRONT},
)
LOG_OUT_BY_LINK = LOG_OUT.but(summary="End the session, by the link in the header bar", answers={302: _TO_THE_FRONT})

_KIND = {"const": "PERSONAL_ACCESS_TOKEN_V1"}
_TOKEN = members(
    {
        "id": UID,
        "name": TEXT,
        "displayName": TEXT,
        "created": TIME,
        "createdBy": members({"id": UID}),
        "type": _KIND,
        "version": INTEGER,
        "expire": {"type": "integer", "description": "Milliseconds since 1970."},
        "attributes": array(members({"type": TEXT, "allowedMethods": array(TEXT)})),
        "scopes": array(TEXT),
        "hint": {"type": "string", "description": "How its secret ends."},
        "lastUsed": nullable(TIME),
    }
)
_UID = path("tokenUid", TEXT, "The token's uid.")
_BY_HIMSELF = "A token makes and revokes no tokens."
_NONE_SUCH = "The caller has no such token."

CREATE_TOKEN = Operation(
    tag=Tag.ACCOUNTS,
    summary="Make a personal access token",
    about="Its secret, `key`, is in this answer and nowhere else.",
    body=Body(content={Format.JSON.value: WantedToken}),
    answers={
        201: json(
            "The token's secret.",
            members(
                {
                    "httpStatus": TEXT,
                    "httpStatusCode": {"const": 201},
                    "status": {"const": "OK"},
                    "response": members({"responseType": TEXT, "key": TEXT, "uid": UID, "type": _KIND}),
                }
            ),
            headers=(LOCATION, NOT_STORED),
        )
    },
    refusals={403: _BY_HIMSELF, 409: "Such a token is not made here; the message says why."},
)


def list_tokens(word: str) -> Operation:
    """Describe the list, whose member is called as the last word of the path."""
    return Operation(
        tag=Tag.ACCOUNTS,
        summary="The caller's tokens",
        answers={200: json("Newest first, without their secrets.", members({word: array(_TOKEN)}))},
        revalidates=True,
    )


GET_TOKEN = Operation(
    tag=Tag.ACCOUNTS,
    summary="One of the caller's tokens",
    parameters=(_UID,),
    answers={200: json("The token, without its secret.", _TOKEN)},
    refusals={404: _NONE_SUCH},
    revalidates=True,
)
REVOKE_TOKEN = Operation(
    tag=Tag.ACCOUNTS,
    summary="Revoke one of the caller's tokens",
    parameters=(_UID,),
    answers={200: web_message("It opens nothing any more.")},
    refusals={403: _BY_HIMSELF, 404: _NONE_SUCH},
)
