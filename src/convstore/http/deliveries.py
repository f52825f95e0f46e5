"""What became of a conversation's mails and SMS: for those with an authority of its own.

It tells who can be reached by which ways, and who turned them off.
"""

from http import HTTPStatus
from importlib.resources import files

from aiohttp import web

from convstore.delivery.verdict import State
from convstore.domain import policy
from convstore.http.commands import Wording
from convstore.http.conversations import check_access, path_uid
from convstore.http.errors import FORBIDDEN, Problem
from convstore.http.keys import BACKEND, CALLER
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
_AUTHORITY = "F_DELIVERIES"
_WORDING = Wording(
    missing="Message conversation does not exist: {uid}", denied="Not authorized to access this conversation."
)
_LATEST_FIRST = (Order(("lastUpdated",), descending=True),)


async def of_conversation(request: web.Request) -> web.Response:
    """``GET messageConversations/{uid}/deliveries``: a page of them, those that changed last first.

    For holders of ``F_DELIVERIES``, of conversations that they have access to; of internal messages as they see these.
    """
    uid = path_uid(request, _WORDING)
    if not request[CALLER].holds(_AUTHORITY):
        raise Problem(HTTPStatus.FORBIDDEN, f"Access is denied, requires one Authority from [{_AUTHORITY}]", FORBIDDEN)
    await check_access(request, uid, _WORDING)
    store = request.app[BACKEND].store
    with_internal = policy.sees_internal(request[CALLER].actor())
    asked = asked_of_list(request.rel_url.raw_query_string)
    source = Source(
        entity=DELIVERY,
        rows=_sql.of_conversation,
        args=(store.partition_of(uid), uid, with_internal),
        order=_LATEST_FIRST,
    )
    plan = plan_list(source, asked.query, asked.query.fields or EVERYTHING)
    return await list_answer(request, DELIVERY, Listing(plan, asked.kept, within=f"messageConversations/{uid}/"))
