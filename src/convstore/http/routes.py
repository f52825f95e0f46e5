"""All routes, in one place: the table of contract section 1.5 and its neighbours."""

from convstore.http import changes, conversations, marks, monitoring, removal, sending, system
from convstore.http.router import Route

_MC = "messageConversations"

# Below /api and /api/NN.
API = (
    Route("GET", "", system.entry, documents=False),
    Route("GET", "resources", system.resources),
    Route("GET", "system/info", system.info),
    Route("GET", "system/id", system.new_ids),
    Route("GET", "ping", system.ping, documents=False),
    Route("GET", "health/live", system.alive, documents=False, public=True),
    Route("GET", "health/ready", monitoring.ready, documents=False, public=True),
    Route("GET", "health", monitoring.for_superusers(monitoring.health), documents=False),
    Route("GET", "metrics", monitoring.for_superusers(monitoring.metrics), documents=False),
    # Conversations, in the order of the contract's table.
    Route("GET", _MC, conversations.list_conversations),
    Route("GET", f"{_MC}/{{uid}}", conversations.get_conversation),
    Route("GET", f"{_MC}/{{uid}}/{{userUid}}", conversations.get_property),
    Route("POST", _MC, sending.send),
    Route("POST", f"{_MC}/{{uid}}", sending.reply),
    Route("POST", f"{_MC}/{{uid}}/recipients", sending.add_recipients),
    Route("POST", f"{_MC}/feedback", sending.feedback),
    Route("POST", f"{_MC}/{{uid}}/priority", changes.set_priority),
    Route("POST", f"{_MC}/{{uid}}/status", changes.set_status),
    Route("POST", f"{_MC}/{{uid}}/assign", changes.assign),
    Route("DELETE", f"{_MC}/{{uid}}/assign", changes.unassign),
    Route("POST", f"{_MC}/read", marks.read),
    Route("POST", f"{_MC}/unread", marks.unread),
    Route("POST", f"{_MC}/{{uid}}/read", marks.read_one),
    Route("POST", f"{_MC}/{{uid}}/unread", marks.unread_one),
    Route("POST", f"{_MC}/followup", marks.follow_up),
    Route("POST", f"{_MC}/unfollowup", marks.unfollow),
    Route("DELETE", f"{_MC}/{{uid}}/{{userUid}}", removal.remove_participant),
    Route("DELETE", _MC, removal.remove_from_many),
    Route("DELETE", f"{_MC}/{{uid}}", removal.delete),
)

# Directly below the context path.
OUTSIDE = (Route("GET", "", system.front, documents=False, public=True),)
