"""All routes, in one place: the table of contract section 1.5 and its neighbours."""

from convstore.http import (
    api_tokens,
    attachments,
    bulk,
    changes,
    configuration,
    conversations,
    counts,
    login,
    marks,
    me,
    monitoring,
    people,
    removal,
    schemas,
    sending,
    static,
    system,
    system_sending,
)
from convstore.http.router import Route

_MC = "messageConversations"

# Below /api and /api/NN.
API = (
    Route("GET", "", system.entry, documents=False),
    Route("GET", "resources", system.resources),
    Route("GET", "system/info", system.info),
    Route("GET", "system/id", system.new_ids),
    Route("GET", "configuration", configuration.configuration),
    Route("GET", "configuration/feedbackRecipients", configuration.feedback_recipients),
    Route("POST", "configuration/feedbackRecipients", configuration.set_feedback_recipients),
    Route("DELETE", "configuration/feedbackRecipients", configuration.drop_feedback_recipients),
    Route("GET", "systemSettings", configuration.system_settings),
    Route("GET", "systemSettings/{key}", configuration.system_setting),
    Route("GET", "attributes", configuration.attributes),
    Route("GET", "apps", configuration.apps),
    Route("GET", "schemas", schemas.list_schemas),
    Route("GET", "schemas/{name}", schemas.get_schema),
    # Logging in, and what stands for a password.
    Route("GET", "loginConfig", login.config, documents=False, public=True),
    Route("POST", "auth/login", login.log_in, documents=False, public=True),
    Route("POST", "auth/logout", login.log_out, documents=False, public=True),
    *(
        route
        for path in ("apiToken", "apiTokens")
        for route in (
            Route("POST", path, api_tokens.create, documents=False),
            Route("GET", path, api_tokens.list_tokens),
            Route("GET", f"{path}/{{tokenUid}}", api_tokens.get_token),
            Route("DELETE", f"{path}/{{tokenUid}}", api_tokens.revoke),
        )
    ),
    # The caller.
    Route("GET", "me", me.me),
    Route("GET", "me/dashboard", me.dashboard),
    Route("GET", "me/authorization", me.authorization),
    Route("GET", "me/authorization/{authority}", me.has_authority),
    Route("GET", "userSettings", me.user_settings),
    Route("GET", "userSettings/{key}", me.user_setting, documents=False),
    Route("POST", "userSettings/{key}", me.set_user_setting),
    Route("DELETE", "userSettings/{key}", me.drop_user_setting),
    # The directory.
    Route("GET", "users", people.listing_of("users")),
    Route("GET", "users/{id}", people.object_of("users")),
    Route("GET", "userGroups", people.listing_of("userGroups")),
    Route("GET", "userGroups/{id}", people.object_of("userGroups")),
    Route("GET", "organisationUnits", people.listing_of("organisationUnits")),
    Route("GET", "organisationUnits/{id}", people.object_of("organisationUnits")),
    Route("GET", "userLookup", people.look_up),
    Route("GET", "userLookup/feedbackRecipients", people.look_up_feedback),
    Route("GET", "userLookup/{id}", people.look_up_one),
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
    Route("GET", f"{_MC}/{{uid}}/{{messageUid}}/attachments/{{fileUid}}", attachments.download, documents=False),
    # Their files.
    Route("POST", "fileResources", attachments.upload, streamed=True),
    Route("GET", "fileResources/{id}", attachments.get_file),
    Route("POST", f"{_MC}/attachments", attachments.upload_for_message, streamed=True),
    # Ours, beyond the contract's table (docs/api.md).
    Route("GET", f"{_MC}/counts", counts.counts),
    Route("POST", f"{_MC}/status", bulk.set_status),
    Route("POST", f"{_MC}/priority", bulk.set_priority),
    Route("POST", f"{_MC}/assign", bulk.assign),
    Route("POST", f"{_MC}/system", system_sending.send_system_message),
    Route("POST", f"{_MC}/validation", system_sending.send_validation_result),
)

# Directly below the context path.
OUTSIDE = (
    Route("GET", "", system.front, documents=False, public=True),
    Route("GET", "dhis-web-commons/menu/getModules.action", static.menu, documents=False, public=True),
    Route("POST", "dhis-web-commons-security/login.action", login.log_in_by_form, documents=False, public=True),
    Route("GET", "dhis-web-commons-security/logout.action", login.log_out_by_link, documents=False, public=True),
    Route("POST", "dhis-web-commons-security/logout.action", login.log_out_by_link, documents=False, public=True),
)
