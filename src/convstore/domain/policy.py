"""Who may do what: the one place for rights, asked by ``decide`` and by whatever reads (contract sections 4, 9.1).

Pure, and blind to how a person came by a right: the directory puts rights into the ``Actor``, this page says what they
allow. Roles are words here (participant, superuser, ticket manager), so that each rule reads like the contract's table.
"""

from convstore.domain.types import Actor, MessageType
from convstore.domain.uid import UserId


def is_ticket_manager(actor: Actor) -> bool:
    """Tell whether he works on tickets: a member of the feedback group, or a superuser (contract section 4)."""
    return actor.ticket_manager or actor.superuser


def has_access(actor: Actor, *, participant: bool, message_type: MessageType) -> bool:
    """Tell whether he may read a conversation and act on it; ``participant``: he has a copy of it right now.

    The access rule of every path to a conversation: object, property, attachment, list, search, reply, flags, stream.
    """
    return participant or actor.superuser or (message_type is MessageType.TICKET and is_ticket_manager(actor))


def sees_internal(actor: Actor) -> bool:
    """Tell whether internal messages exist for him, in any conversation that he has access to."""
    return is_ticket_manager(actor)


def may_reply_internally(actor: Actor) -> bool:
    """Tell whether he may write internal messages, in any conversation that he has access to."""
    return is_ticket_manager(actor)


def finds_all_tickets(actor: Actor) -> bool:
    """Tell whether a list of tickets shows him those of others too (contract section 9.1)."""
    return is_ticket_manager(actor)


def may_act_for(actor: Actor, person: UserId) -> bool:
    """Tell whether he may read, mark, flag or take away this person's copy: his own, or anybody's as a superuser."""
    return actor.id == person or actor.superuser


def may_delete(actor: Actor) -> bool:
    """Tell whether he may delete conversations for everybody, those that he has access to."""
    return actor.may_delete or actor.superuser


def may_send_system(actor: Actor) -> bool:
    """Tell whether he may start conversations in a system's name."""
    return actor.may_send_system or actor.superuser


def sees_circumstances(actor: Actor) -> bool:
    """Tell whether he sees when others read, on whose behalf somebody acted, and with which program: auditors do."""
    return actor.superuser
