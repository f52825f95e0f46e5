"""What became of a conversation's mails and SMS: for superusers, as it tells who has which ways to be reached."""

from http import HTTPStatus
from importlib.resources import files

from aiohttp import web

from convstore.delivery.verdict import State
from convstore.domain.uid import Uid
from convstore.http.errors import Problem
from convstore.http.keys import BACKEND
from convstore.http.query.conversation import FIVE, person
from convstore.http.query.entities import Entity, Scalar, Type, table
from convstore.http.query.listing import Source, plan_list
from convstore.http.query.paging import Order
from convstore.http.reading import EVERYTHING, Listing, asked_of_list, list_answer
from convstore.sql import Statements

_sql = Statements(files(__package__) / "deliveries.sql")

DELIVERY = Entity(
    name="delivery",
    plural="deliveries",
    kind="Delivery",
    identifiable=("id",),
    asked=("channel",),
    properties=table(
        Scalar(name="id", sql="{0}.id", known=True, attribute=True),
        Scalar(name="message", sql="{0}.message_id", known=True),
        person("user", "user_id", default=FIVE),
        Scalar(name="channel", sql="{0}.channel", known=True),
        Scalar(
            name="status",
            sql="{0}.state",
            type=Type.ENUM,
            names=tuple(state.upper() for state in State),
            kind="DeliveryStatus",
        ),
        Scalar(name="reason", sql="{0}.reason"),
        Scalar(name="attempts", sql="{0}.attempts", type=Type.INTEGER, kind="Integer"),
        Scalar(name="created", sql="{0}.created", type=Type.DATE),
        Scalar(name="lastUpdated", sql="{0}.changed", type=Type.DATE),
        Scalar(name="nextAttempt", sql="{0}.due", type=Type.DATE),
    ),
)
_LATEST_FIRST = (Order(("lastUpdated",), descending=True),)


async def of_conversation(request: web.Request) -> web.Response:
    """``GET messageConversations/{uid}/deliveries``: a page of them, those that changed last first."""
    uid = Uid(request.match_info["uid"])
    store = request.app[BACKEND].store
    if not await store.states([uid]):
        raise Problem(HTTPStatus.NOT_FOUND, f"Message conversation does not exist: {uid}")
    asked = asked_of_list(request.rel_url.raw_query_string)
    source = Source(
        entity=DELIVERY, rows=_sql.of_conversation, args=(store.partition_of(uid), uid), order=_LATEST_FIRST
    )
    plan = plan_list(source, asked.query, asked.query.fields or EVERYTHING)
    return await list_answer(request, DELIVERY, Listing(plan, asked.kept))
