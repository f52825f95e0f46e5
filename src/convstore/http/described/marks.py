"""Read and unread, flagged for follow-up; copies that are taken away, conversations that are deleted."""

from convstore.http.described.conversations import NOT_HIS, UNKNOWN
from convstore.http.openapi.operation import Answer, Operation, Tag, document
from convstore.http.openapi.words import (
    BOOLEAN,
    CONVERSATION_UID,
    COUNT,
    MESSAGE_TYPE,
    TEXT,
    UID,
    UIDS,
    array,
    element,
    members,
    node,
    path,
    query,
    web_message,
    wrapped_uids,
)

_UIDS = array(UID)
_NONE = "None of the conversations exists, or there is no such person."
_NOT_ALL_HIS = "One of the conversations is not the caller's, or the copies are another's: nothing was changed."
_TOO_MANY = "More than 10,000 conversations are named, or the body is too large."
_FOR_SOMEBODY = query("user", TEXT, "Whose copies; the caller's by default, others' are for superusers.")

UNREAD = Operation(
    tag=Tag.MARKS,
    summary="Mark conversations unread",
    parameters=(_FOR_SOMEBODY,),
    body=UIDS,
    answers={200: node("markedUnread", _UIDS, "Those that changed.")},
    refusals={403: _NOT_ALL_HIS, 404: _NONE, 413: _TOO_MANY},
    command=True,
)


def _read() -> Answer:
    """Make the answer to marking read: the uids, or with ``all=true`` their number."""
    listed = node("markedRead", _UIDS, "").content
    counted = node("marked", COUNT, "").content
    by_type = {name: {"anyOf": [described, counted[name]]} for name, described in listed.items()}
    return Answer(about="Those that changed; with `all=true` how many were marked.", content=by_type)


READ = UNREAD.but(
    summary="Mark conversations read",
    parameters=(
        _FOR_SOMEBODY,
        query("all", BOOLEAN, "`true`: all that were seen, instead of those that the body names."),
        MESSAGE_TYPE.but(about="With `all=true`: those of this type only."),
        query(
            "upTo",
            TEXT,
            "With `all=true`: the `Convstore-Cursor` of the list that was looked at; what came later stays unread.",
        ),
    ),
    body=UIDS,
    answers={200: _read()},
    refusals={403: _NOT_ALL_HIS, 404: _NONE, 409: "`upTo` is ahead of the log.", 413: _TOO_MANY},
)

FOLLOW_UP = UNREAD.but(
    summary="Flag conversations for follow-up",
    answers={200: node("markedFollowup", _UIDS, "Those that are flagged now, also those that were before.")},
)
UNFOLLOW = UNREAD.but(
    summary="Take the follow-up flag off conversations",
    answers={200: node("unmarkedFollowup", _UIDS, "Those that are not flagged now, also those that were not before.")},
)

READ_ONE = Operation(
    tag=Tag.MARKS,
    summary="Mark one conversation read",
    parameters=(CONVERSATION_UID, _FOR_SOMEBODY.but(name="userUid", about="Whose copy; the caller's by default.")),
    answers={200: node("markedRead", _UIDS, "The conversation, if it was unread.")},
    refusals={403: NOT_HIS, 404: f"{UNKNOWN} Or there is no such person."},
    command=True,
)
UNREAD_ONE = READ_ONE.but(
    summary="Mark one conversation unread",
    answers={200: node("markedUnread", _UIDS, "The conversation, if it was read.")},
)

REMOVE_PARTICIPANT = Operation(
    tag=Tag.MARKS,
    summary="Take a person's copy of a conversation away",
    parameters=(
        CONVERSATION_UID,
        path("userUid", TEXT, "Whose copy: the caller himself, or for superusers another person."),
    ),
    answers={
        200: document(
            "The person's uid, if he had a copy.",
            members({"removed": _UIDS}),
            element(
                "reply",
                {"type": "object", "properties": {"removed": wrapped_uids()}},
                namespace=False,
            ),
        )
    },
    refusals={403: NOT_HIS, 404: f"{UNKNOWN} Or there is no such person."},
    command=True,
)

REMOVE_FROM_MANY = Operation(
    tag=Tag.MARKS,
    summary="Take copies of several conversations away",
    parameters=(
        query(
            "mc", TEXT, "Uids of conversations; unknown ones are skipped.", required=True, repeated=True, joined=True
        ),
        _FOR_SOMEBODY,
    ),
    answers={200: node("removed", _UIDS, "The conversations whose copies are gone.", wrapped=True)},
    refusals={403: _NOT_ALL_HIS, 404: _NONE, 413: _TOO_MANY},
    command=True,
)

DELETE = Operation(
    tag=Tag.MARKS,
    summary="Delete a conversation for everybody",
    parameters=(CONVERSATION_UID,),
    answers={200: web_message("It is gone.")},
    refusals={403: f"{NOT_HIS} Or he may delete none: that takes `F_METADATA_IMPORT`.", 404: UNKNOWN},
    command=True,
)
