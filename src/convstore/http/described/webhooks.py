"""Webhooks: subscriptions whose events are pushed."""

from convstore.http.described.subscriptions import NAME, UNKNOWN
from convstore.http.negotiation import Format
from convstore.http.openapi.operation import Body, Operation, Tag, document
from convstore.http.openapi.words import LOCATION, NOT_STORED, laid_out, web_message
from convstore.http.webhooks import IN_XML, ShownWebhook, Tried, WantedWebhook
from convstore.webhook.targets import AUTHORITY

_NONE = f"{UNKNOWN} Or it has no webhook."
_NO_AUTHORITY = f"For holders of `{AUTHORITY}`."
_NOT_HIS = f"{_NO_AUTHORITY} Or the caller may not be given all that it follows."
_IN_XML = laid_out("webhook", ShownWebhook, IN_XML)
_SHOWN = document("The webhook.", ShownWebhook, _IN_XML)

PUT = Operation(
    tag=Tag.EVENTS,
    summary="Push the events of a subscription",
    about=(
        "Each is a POST of its CloudEvents envelope, signed as [Standard Webhooks](https://www.standardwebhooks.com) "
        "have it, with the event's id as `webhook-id`. It begins where the subscription stands. The secret is shown "
        "only when it is made. The account that made the subscription must hold the authority, too, as long as it is "
        "pushed."
    ),
    parameters=(NAME,),
    body=Body(content={Format.JSON.value: WantedWebhook}),
    answers={
        200: document("They are pushed there from now on.", ShownWebhook, _IN_XML),
        201: document("They are pushed from now on.", ShownWebhook, _IN_XML, headers=(LOCATION, NOT_STORED)),
    },
    refusals={
        400: "The url, a header or a secret cannot be used; or the url's address may not be called.",
        403: _NOT_HIS,
        404: UNKNOWN,
    },
)
GET = Operation(
    tag=Tag.EVENTS,
    summary="Where the events of a subscription are pushed to, and how that goes",
    parameters=(NAME,),
    answers={200: _SHOWN},
    refusals={404: _NONE},
)
DELETE = Operation(
    tag=Tag.EVENTS,
    summary="Push the events of a subscription no more",
    about="The subscription stays, with how far it has come.",
    parameters=(NAME,),
    answers={200: web_message("Nothing is pushed any more.")},
    refusals={404: _NONE},
)
TEST = Operation(
    tag=Tag.EVENTS,
    summary="Send a test event to a webhook's receiver",
    about="Of the type `webhook-test`, without data, signed like all others.",
    parameters=(NAME,),
    answers={200: document("What came of it.", Tried, laid_out("test", Tried, {}))},
    refusals={403: _NO_AUTHORITY, 404: _NONE},
)
PAUSE = GET.but(summary="Push nothing for the time being", about="Nothing is passed over meanwhile.")
RESUME = GET.but(
    summary="Push again at once",
    about="Also what the receiver did not take yet.",
    refusals={403: _NO_AUTHORITY, 404: _NONE},
)
ADD_SECRET = GET.but(
    summary="Make a new secret for a webhook",
    about="It is shown in this answer only. The one before signs beside it, until the next change.",
    answers={200: document("The webhook, with the new secret.", ShownWebhook, _IN_XML, headers=(NOT_STORED,))},
    refusals={403: _NOT_HIS, 404: _NONE},
)
DROP_SECRETS = GET.but(summary="Sign with the newest secret of a webhook only")
