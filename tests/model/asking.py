"""What people may ask, at random: each asking takes the uid of a conversation and gives a command."""

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

Asked = Callable[[Uid], ConversationCommand]

anybody = st.sampled_from([RIGHTS[who] for who in PEOPLE])
somebody = st.sampled_from(PEOPLE)
some_people = st.lists(somebody, max_size=5)
version = st.one_of(st.none(), st.integers(0, 30))


def _reply(by: Actor, *, internal: bool) -> Asked:
    return lambda uid: reply(
        by=by, internal=internal, managers=MANAGERS if internal else (), conversation=uid, message=new_uid()
    )


replying: st.SearchStrategy[Asked] = st.builds(
    lambda by, internal: _reply(by, internal=internal), anybody, st.booleans()
)
reading: st.SearchStrategy[Asked] = st.one_of(
    st.builds(lambda by, up_to: lambda uid: mark_read(by=by, up_to=up_to, conversation=uid), anybody, version),
    st.builds(lambda by: lambda uid: mark_unread(by=by, conversation=uid), anybody),
    st.builds(
        lambda ask, by, of: lambda uid: ask(by=by, of=of, conversation=uid),
        st.sampled_from([mark_read, mark_unread, flag_follow_up, clear_follow_up]),
        anybody,
        somebody,
    ),
    st.builds(
        lambda ask, by: lambda uid: ask(by=by, conversation=uid),
        st.sampled_from([flag_follow_up, clear_follow_up]),
        anybody,
    ),
)
coming_and_going: st.SearchStrategy[Asked] = st.one_of(
    st.builds(lambda by, to: lambda uid: add_participants(*to, by=by, conversation=uid), anybody, some_people),
    st.builds(lambda by: lambda uid: remove_participant(by.id, by=by, conversation=uid), anybody),
    st.builds(lambda by, who: lambda uid: remove_participant(who, by=by, conversation=uid), anybody, somebody),
)
working: st.SearchStrategy[Asked] = st.one_of(
    st.builds(lambda by, to: lambda uid: set_status(to, by=by, conversation=uid), anybody, st.sampled_from(Status)),
    st.builds(lambda by, to: lambda uid: set_priority(to, by=by, conversation=uid), anybody, st.sampled_from(Priority)),
    st.builds(
        lambda by, to: lambda uid: assign(to, by=by, in_feedback_group=to in MANAGERS, conversation=uid),
        anybody,
        somebody,
    ),
    st.builds(lambda by: lambda uid: unassign(by=by, conversation=uid), anybody),
)
deleting: st.SearchStrategy[Asked] = st.builds(
    lambda by: lambda uid: delete_conversation(by=by, conversation=uid), anybody
)
anything = st.one_of(replying, reading, reading, coming_and_going, working)

starting: st.SearchStrategy[Asked] = st.one_of(
    st.builds(
        lambda by, to: lambda uid: send_message(*to, by=by, conversation=uid, message=new_uid()), anybody, some_people
    ),
    st.builds(
        lambda by, to: lambda uid: send_ticket(*to, by=by, conversation=uid, message=new_uid()), anybody, some_people
    ),
    st.builds(
        lambda by, to, sender: (
            lambda uid: send_system_message(
                *to, by=RIGHTS[by], sender=sender, external_id="x1", conversation=uid, message=new_uid()
            )
        ),
        st.sampled_from([ROBOT, EVE, ANN]),
        some_people,
        st.one_of(st.none(), somebody),
    ),
    st.builds(
        lambda to, priorities: (
            lambda uid: send_validation_result(
                *to, by=RIGHTS[ROBOT], priorities=tuple(priorities), conversation=uid, message=new_uid()
            )
        ),
        some_people,
        st.lists(st.sampled_from(Priority), max_size=3),
    ),
)
