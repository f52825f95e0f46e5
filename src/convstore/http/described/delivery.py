"""What became of mails and SMS, and the link that turns mails off."""

from convstore.http.deliveries import DELIVERY
from convstore.http.openapi.operation import Answer, Operation, Tag
from convstore.http.openapi.words import CONVERSATION_UID, OF_LISTS, TEXT, listing, path

OF_CONVERSATION = Operation(
    tag=Tag.CONVERSATIONS,
    summary="What became of a conversation's mails and SMS",
    about="One for each message, person and channel, those that changed last first. docs/delivery.md says what each "
    "status means.",
    parameters=(CONVERSATION_UID, *OF_LISTS),
    answers={200: listing("The page.", DELIVERY)},
    refusals={
        403: "For holders of `F_DELIVERIES`, of conversations that they have access to.",
        404: "There is no such conversation.",
    },
    revalidates=True,
)

_TOKEN = path("token", TEXT, "The signed part of the link in a mail.")
_PAGE = Answer(about="A page for people.", content={"text/html": TEXT})
_INVALID = Answer(about="A page that says that the link is not valid any more.", content={"text/html": TEXT})

ASK = Operation(
    tag=Tag.ME,
    summary="Ask whether the mails to the person of a link are to end",
    parameters=(_TOKEN,),
    answers={200: _PAGE, 404: _INVALID},
)
UNSUBSCRIBE = Operation(
    tag=Tag.ME,
    summary="End the mails to the person of a link",
    about="What a mail program's button does (RFC 8058). Without a login: the link is signed.",
    parameters=(_TOKEN,),
    answers={200: _PAGE, 404: _INVALID},
)
