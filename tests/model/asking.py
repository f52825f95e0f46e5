"""What people may ask, at random: a kind of asking makes a command of who asks, and of which conversation when."""

from collections.abc import Callable

from hypothesis import strategies as st

from convstore.domain.commands import ConversationCommand
from convstore.domain.types import Actor, Priority, Status
from convstore.domain.uid import Uid, UserId, new_uid
from words import (
    ANN,
    BOB,
    CID,
    DAN,
    EVE,
    add_participants,
    assign,
    clear_follow_up,
    delete_conversation,
    flag_follow_up,
    manager,
    mark_read,
    mark_unread,
    person,
    remove_participant,
    reply,
    send_message,
    send_system_message,
    send_ticket,
    send_validation_result,
    service,
    set_priority,
    set_status,
    superuser,
    unassign,
)

FAY, ROBOT = UserId("FayFayFay06"), UserId("RobotRobot7")
PEOPLE = (ANN, BOB, CID, DAN, EVE, FAY)
# ANN, BOB and FAY are anybody, CID works on tickets, DAN too and may delete, EVE may all, ROBOT sends for a system.
RIGHTS = {
    ANN: person(ANN),
    BOB: person(BOB),
    CID: manager(CID),
    DAN: Actor(id=DAN, ticket_manager=True, may_delete=True),
    EVE: superuser(EVE),
    FAY: person(FAY),
    ROBOT: service(ROBOT),
}
MANAGERS = tuple(who for who, actor in RIGHTS.items() if actor.ticket_manager)

Kind = Callable[[Actor, Uid, int], ConversationCommand]

# Most of the time one of those who are in the conversation, by number; now and then whoever it is.
Asker = Actor | int
anybody: st.SearchStrategy[Asker] = st.one_of(
    st.integers(0, 5), st.integers(0, 5), st.sampled_from([RIGHTS[who] for who in PEOPLE])
)
somebody = st.sampled_from(PEOPLE)
some_people = st.lists(somebody, max_size=5)
# What the reader had seen: up to so many versions before the latest, or after it.
versions_back = st.one_of(st.none(), st.integers(-1, 4))


def _up_to(version: int, back: int | None) -> int | None:
    return None if back is None else max(0, version - back)


def _reply(*, internal: bool) -> Kind:
    managers = MANAGERS if internal else ()
    return lambda by, uid, _: reply(by=by, internal=internal, managers=managers, conversation=uid, message=new_uid())


replying: st.SearchStrategy[Kind] = st.builds(lambda internal: _reply(internal=internal), st.booleans())
reading: st.SearchStrategy[Kind] = st.one_of(
    st.builds(
        lambda back: lambda by, uid, version: mark_read(by=by, up_to=_up_to(version, back), conversation=uid),
        versions_back,
    ),
    st.just(lambda by, uid, _: mark_unread(by=by, conversation=uid)),
    st.builds(
        lambda ask, of: lambda by, uid, _: ask(by=by, of=of, conversation=uid),
        st.sampled_from([mark_read, mark_unread, flag_follow_up, clear_follow_up]),
        somebody,
    ),
    st.builds(
        lambda ask: lambda by, uid, _: ask(by=by, conversation=uid), st.sampled_from([flag_follow_up, clear_follow_up])
    ),
)
coming_and_going: st.SearchStrategy[Kind] = st.one_of(
    st.builds(lambda to: lambda by, uid, _: add_participants(*to, by=by, conversation=uid), some_people),
    st.just(lambda by, uid, _: remove_participant(by.id, by=by, conversation=uid)),
    st.builds(lambda who: lambda by, uid, _: remove_participant(who, by=by, conversation=uid), somebody),
)
working: st.SearchStrategy[Kind] = st.one_of(
    st.builds(lambda to: lambda by, uid, _: set_status(to, by=by, conversation=uid), st.sampled_from(Status)),
    st.builds(lambda to: lambda by, uid, _: set_priority(to, by=by, conversation=uid), st.sampled_from(Priority)),
    st.builds(
        lambda to: lambda by, uid, _: assign(to, by=by, in_feedback_group=to in MANAGERS, conversation=uid), somebody
    ),
    st.just(lambda by, uid, _: unassign(by=by, conversation=uid)),
)
deleting: st.SearchStrategy[Kind] = st.just(lambda by, uid, _: delete_conversation(by=by, conversation=uid))
# What concerns reading is asked most: it is what goes wrong most.
anything = st.one_of(replying, replying, reading, reading, coming_and_going, working)

starting: st.SearchStrategy[Kind] = st.one_of(
    st.builds(lambda to: lambda by, uid, _: send_message(*to, by=by, conversation=uid, message=new_uid()), some_people),
    st.builds(lambda to: lambda by, uid, _: send_ticket(*to, by=by, conversation=uid, message=new_uid()), some_people),
    st.builds(
        lambda to, system, sender: (
            lambda by, uid, _: send_system_message(
                *to, by=RIGHTS.get(system, by), sender=sender, external_id="x1", conversation=uid, message=new_uid()
            )
        ),
        some_people,
        st.sampled_from([ROBOT, None]),
        st.one_of(st.none(), somebody),
    ),
    st.builds(
        lambda to, priorities: (
            lambda _by, uid, _: send_validation_result(
                *to, by=RIGHTS[ROBOT], priorities=tuple(priorities), conversation=uid, message=new_uid()
            )
        ),
        some_people,
        st.lists(st.sampled_from(Priority), max_size=3),
    ),
)
