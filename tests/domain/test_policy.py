"""Contract section 4, the REC column, as tables."""

import pytest

from convstore.domain import policy
from convstore.domain.types import Actor, MessageType
from words import ANN, BOB, importer, manager, person, service, superuser

OF_EACH_KIND = {
    "anybody": person(ANN),
    "ticket manager": manager(ANN),
    "superuser": superuser(ANN),
    "superuser by that flag alone": Actor(id=ANN, superuser=True),
    "importer": importer(ANN),
    "service": service(ANN),
}
SUPER = {"superuser", "superuser by that flag alone"}
MANAGERS = SUPER | {"ticket manager"}

WITHOUT_A_COPY = {
    MessageType.PRIVATE: SUPER,
    MessageType.SYSTEM: SUPER,
    MessageType.VALIDATION_RESULT: SUPER,
    MessageType.TICKET: MANAGERS,
    MessageType.SYSTEM_VERSION_UPDATE: SUPER,
}


@pytest.mark.parametrize("message_type", MessageType)
class TestAccess:
    def test_participants_have_it(self, message_type: MessageType) -> None:
        for actor in OF_EACH_KIND.values():
            assert policy.has_access(actor, participant=True, message_type=message_type)

    def test_without_a_copy_few_have_it(self, message_type: MessageType) -> None:
        assert WITHOUT_A_COPY[message_type] == {
            kind
            for kind, actor in OF_EACH_KIND.items()
            if policy.has_access(actor, participant=False, message_type=message_type)
        }


def test_who_sees_internal_messages() -> None:
    assert MANAGERS == {kind for kind, actor in OF_EACH_KIND.items() if policy.sees_internal(actor)}


def test_who_writes_them() -> None:
    assert MANAGERS == {kind for kind, actor in OF_EACH_KIND.items() if policy.may_reply_internally(actor)}


def test_who_finds_the_tickets_of_others() -> None:
    assert MANAGERS == {kind for kind, actor in OF_EACH_KIND.items() if policy.finds_all_tickets(actor)}


def test_who_acts_on_the_copy_of_another() -> None:
    assert SUPER == {kind for kind, actor in OF_EACH_KIND.items() if policy.may_act_for(actor, BOB)}


def test_everybody_acts_on_his_own_copy() -> None:
    assert OF_EACH_KIND.keys() == {kind for kind, actor in OF_EACH_KIND.items() if policy.may_act_for(actor, ANN)}


def test_who_deletes() -> None:
    assert SUPER | {"importer"} == {kind for kind, actor in OF_EACH_KIND.items() if policy.may_delete(actor)}


def test_who_sends_in_the_name_of_a_system() -> None:
    assert SUPER | {"service"} == {kind for kind, actor in OF_EACH_KIND.items() if policy.may_send_system(actor)}
