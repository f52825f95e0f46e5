"""All routes, in one place: the table of contract section 1.5 and its neighbours."""

from convstore.http import (
    api_tokens,
    asyncapi,
    attachments,
    bulk,
    changes,
    configuration,
    conversations,
    counts,
    deliveries,
    delta,
    described,
    events,
    explanation,
    front,
    history,
    live,
    login,
    marks,
    me,
    monitoring,
    people,
    removal,
    schemas,
    sending,
    static,
    subscriptions,
    system,
    system_sending,
    unsubscribe,
    webhooks,
)
from convstore.http.openapi import serve, swagger
from convstore.http.router import Route

_MC = "messageConversations"

# Below /api and /api/NN.
API = (
    Route("GET", "", system.entry, described.system.ENTRY, documents=False),
    # For programs that write clients, and to be tried with; whoever may call the API may know what it is.
    Route("GET", "openapi.json", serve.openapi, described.system.OPENAPI, documents=False),
    Route("GET", "asyncapi.json", asyncapi.asyncapi, described.system.ASYNCAPI, documents=False),
    Route("GET", "docs", swagger.docs, described.system.DOCS, documents=False),
    Route("GET", "docs/{file}", swagger.docs_file, described.system.DOCS_FILE, documents=False),
    Route("GET", "resources", system.resources, described.system.RESOURCES),
    Route("GET", "system/info", system.info, described.system.INFO),
    Route("GET", "system/id", system.new_ids, described.system.NEW_IDS),
    Route("GET", "configuration", configuration.configuration, described.system.CONFIGURATION),
    Route(
        "GET",
        "configuration/feedbackRecipients",
        configuration.feedback_recipients,
        described.system.FEEDBACK_RECIPIENTS,
    ),
    Route(
        "POST",
        "configuration/feedbackRecipients",
        configuration.set_feedback_recipients,
        described.system.SET_FEEDBACK_RECIPIENTS,
    ),
    Route(
        "DELETE",
        "configuration/feedbackRecipients",
        configuration.drop_feedback_recipients,
        described.system.DROP_FEEDBACK_RECIPIENTS,
    ),
    Route("GET", "systemSettings", configuration.system_settings, described.system.SETTINGS),
    Route("GET", "systemSettings/{key}", configuration.system_setting, described.system.SETTING),
    Route("GET", "attributes", configuration.attributes, described.system.ATTRIBUTES),
    Route("GET", "apps", configuration.apps, described.system.APPS),
    Route("GET", "schemas", schemas.list_schemas, described.system.SCHEMAS),
    Route("GET", "schemas/{name}", schemas.get_schema, described.system.SCHEMA),
    # Logging in, and what stands for a password.
    Route("GET", "loginConfig", login.config, described.accounts.CONFIG, documents=False, public=True),
    Route("POST", "auth/login", login.log_in, described.accounts.LOG_IN, documents=False, public=True),
    Route("POST", "auth/logout", login.log_out, described.accounts.LOG_OUT, documents=False, public=True),
    *(
        route
        for path in ("apiToken", "apiTokens")
        for route in (
            Route("POST", path, api_tokens.create, described.accounts.CREATE_TOKEN, documents=False),
            Route("GET", path, api_tokens.list_tokens, described.accounts.list_tokens(path)),
            Route("GET", f"{path}/{{tokenUid}}", api_tokens.get_token, described.accounts.GET_TOKEN),
            Route("DELETE", f"{path}/{{tokenUid}}", api_tokens.revoke, described.accounts.REVOKE_TOKEN),
        )
    ),
    # The caller.
    Route("GET", "me", me.me, described.me.ME),
    Route("GET", "me/dashboard", me.dashboard, described.me.DASHBOARD),
    Route("GET", "me/authorization", me.authorization, described.me.AUTHORIZATION),
    Route("GET", "me/authorization/{authority}", me.has_authority, described.me.HAS_AUTHORITY),
    Route("GET", "userSettings", me.user_settings, described.me.SETTINGS),
    Route("GET", "userSettings/{key}", me.user_setting, described.me.SETTING, documents=False),
    Route("POST", "userSettings/{key}", me.set_user_setting, described.me.SET_SETTING),
    Route("DELETE", "userSettings/{key}", me.drop_user_setting, described.me.DROP_SETTING),
    # The directory.
    Route("GET", "users", people.listing_of("users"), described.directory.USERS),
    Route("GET", "users/{id}", people.object_of("users"), described.directory.USER_BY_ID),
    Route("GET", "userGroups", people.listing_of("userGroups"), described.directory.GROUPS),
    Route("GET", "userGroups/{id}", people.object_of("userGroups"), described.directory.GROUP_BY_ID),
    Route("GET", "organisationUnits", people.listing_of("organisationUnits"), described.directory.UNITS),
    Route("GET", "organisationUnits/{id}", people.object_of("organisationUnits"), described.directory.UNIT_BY_ID),
    Route("GET", "userLookup", people.look_up, described.directory.LOOK_UP),
    Route("GET", "userLookup/feedbackRecipients", people.look_up_feedback, described.directory.LOOK_UP_FEEDBACK),
    Route("GET", "userLookup/{id}", people.look_up_one, described.directory.LOOK_UP_ONE),
    Route("GET", "ping", system.ping, described.system.PING, documents=False),
    Route("GET", "health/live", system.alive, described.operation.ALIVE, documents=False, public=True),
    Route("GET", "health/ready", monitoring.ready, described.operation.READY, documents=False, public=True),
    Route("GET", "health", monitoring.for_superusers(monitoring.health), described.operation.HEALTH, documents=False),
    Route(
        "GET", "metrics", monitoring.for_superusers(monitoring.metrics), described.operation.METRICS, documents=False
    ),
    # Conversations, in the order of the contract's table.
    Route("GET", _MC, conversations.list_conversations, described.conversations.LIST),
    Route("GET", f"{_MC}/{{uid}}", conversations.get_conversation, described.conversations.GET),
    Route("GET", f"{_MC}/{{uid}}/{{userUid}}", conversations.get_property, described.conversations.GET_PROPERTY),
    Route("POST", _MC, sending.send, described.messages.SEND),
    Route("POST", f"{_MC}/{{uid}}", sending.reply, described.messages.REPLY),
    Route("POST", f"{_MC}/{{uid}}/recipients", sending.add_recipients, described.messages.ADD_RECIPIENTS),
    Route("POST", f"{_MC}/feedback", sending.feedback, described.messages.FEEDBACK),
    Route("POST", f"{_MC}/{{uid}}/priority", changes.set_priority, described.tickets.SET_PRIORITY),
    Route("POST", f"{_MC}/{{uid}}/status", changes.set_status, described.tickets.SET_STATUS),
    Route("POST", f"{_MC}/{{uid}}/assign", changes.assign, described.tickets.ASSIGN),
    Route("DELETE", f"{_MC}/{{uid}}/assign", changes.unassign, described.tickets.UNASSIGN),
    Route("POST", f"{_MC}/read", marks.read, described.marks.READ),
    Route("POST", f"{_MC}/unread", marks.unread, described.marks.UNREAD),
    Route("POST", f"{_MC}/{{uid}}/read", marks.read_one, described.marks.READ_ONE),
    Route("POST", f"{_MC}/{{uid}}/unread", marks.unread_one, described.marks.UNREAD_ONE),
    Route("POST", f"{_MC}/followup", marks.follow_up, described.marks.FOLLOW_UP),
    Route("POST", f"{_MC}/unfollowup", marks.unfollow, described.marks.UNFOLLOW),
    Route("DELETE", f"{_MC}/{{uid}}/{{userUid}}", removal.remove_participant, described.marks.REMOVE_PARTICIPANT),
    Route("DELETE", _MC, removal.remove_from_many, described.marks.REMOVE_FROM_MANY),
    Route("DELETE", f"{_MC}/{{uid}}", removal.delete, described.marks.DELETE),
    Route(
        "GET",
        f"{_MC}/{{uid}}/{{messageUid}}/attachments/{{fileUid}}",
        attachments.download,
        described.files.DOWNLOAD,
        documents=False,
    ),
    # Their files.
    Route("POST", "fileResources", attachments.upload, described.files.UPLOAD, streamed=True),
    Route("GET", "fileResources/{id}", attachments.get_file, described.files.GET),
    Route(
        "POST", f"{_MC}/attachments", attachments.upload_for_message, described.files.UPLOAD_FOR_MESSAGE, streamed=True
    ),
    # Ours, beyond the contract's table (docs/api.md).
    Route("GET", f"{_MC}/counts", counts.counts, described.conversations.COUNTS),
    Route("GET", f"{_MC}/changes", delta.changes, described.delta.CHANGES),
    Route("GET", "me/events", live.follow_inbox, described.delta.FOLLOW, documents=False),
    # The event stream (docs/stream.md).
    *(
        Route("GET", f"{_MC}/{path}", handler, operation, documents=False, for_consumers=True)
        for path, handler, operation in (
            ("events", events.page, described.events.PAGE),
            ("events.json", events.page_in_json, described.events.JSON),
            ("events.ndjson", events.page_in_lines, described.events.LINES),
            ("events/stream", events.follow, described.events.STREAM),
        )
    ),
    *(
        Route(method, f"subscriptions{path}", handler, operation, for_consumers=True)
        for method, path, handler, operation in (
            ("POST", "", subscriptions.create, described.subscriptions.CREATE),
            ("GET", "", subscriptions.list_subscriptions, described.subscriptions.LIST),
            ("GET", "/{name}", subscriptions.get_subscription, described.subscriptions.GET),
            ("DELETE", "/{name}", subscriptions.delete, described.subscriptions.DELETE),
            ("POST", "/{name}/events", subscriptions.read, described.subscriptions.READ),
            ("POST", "/{name}/acknowledge", subscriptions.acknowledge, described.subscriptions.ACKNOWLEDGE),
            ("POST", "/{name}/reject", subscriptions.reject, described.subscriptions.REJECT),
            ("POST", "/{name}/leave", subscriptions.leave, described.subscriptions.LEAVE),
            ("POST", "/{name}/reset", subscriptions.reset, described.subscriptions.RESET),
            ("GET", "/{name}/deadLetters", subscriptions.list_letters, described.subscriptions.LETTERS),
            ("POST", "/{name}/deadLetters/redeliver", subscriptions.redeliver, described.subscriptions.REDELIVER),
            ("POST", "/{name}/deadLetters/discard", subscriptions.discard, described.subscriptions.DISCARD),
        )
    ),
    # What is pushed goes on when a token has ended: one for following events is not enough for these.
    *(
        Route(method, f"subscriptions/{{name}}/webhook{path}", handler, operation)
        for method, path, handler, operation in (
            ("PUT", "", webhooks.put, described.webhooks.PUT),
            ("GET", "", webhooks.get, described.webhooks.GET),
            ("DELETE", "", webhooks.delete, described.webhooks.DELETE),
            ("POST", "/test", webhooks.test, described.webhooks.TEST),
            ("POST", "/pause", webhooks.pause, described.webhooks.PAUSE),
            ("POST", "/resume", webhooks.resume, described.webhooks.RESUME),
            ("POST", "/secrets", webhooks.add_secret, described.webhooks.ADD_SECRET),
            ("DELETE", "/secrets", webhooks.drop_secrets, described.webhooks.DROP_SECRETS),
        )
    ),
    Route("GET", f"{_MC}/{{uid}}/history", history.history, described.audit.HISTORY),
    Route("GET", f"{_MC}/{{uid}}/explanation", explanation.explanation, described.audit.EXPLANATION),
    # Delivery by e-mail and SMS (docs/delivery.md).
    Route("GET", f"{_MC}/{{uid}}/deliveries", deliveries.of_conversation, described.delivery.OF_CONVERSATION),
    Route("GET", "unsubscribe/{token}", unsubscribe.ask, described.delivery.ASK, documents=False, public=True),
    Route(
        "POST",
        "unsubscribe/{token}",
        unsubscribe.unsubscribe,
        described.delivery.UNSUBSCRIBE,
        documents=False,
        public=True,
    ),
    Route("POST", f"{_MC}/status", bulk.set_status, described.tickets.SET_STATUSES),
    Route("POST", f"{_MC}/priority", bulk.set_priority, described.tickets.SET_PRIORITIES),
    Route("POST", f"{_MC}/assign", bulk.assign, described.tickets.ASSIGN_MANY),
    Route("POST", f"{_MC}/unassign", bulk.unassign, described.tickets.UNASSIGN_MANY),
    Route("POST", f"{_MC}/system", system_sending.send_system_message, described.messages.SEND_SYSTEM_MESSAGE),
    Route(
        "POST", f"{_MC}/validation", system_sending.send_validation_result, described.messages.SEND_VALIDATION_RESULT
    ),
)

# Directly below the context path.
OUTSIDE = (
    Route("GET", "", front.page, described.system.FRONT, documents=False, public=True),
    Route("GET", "page/{file}", front.file, described.system.FRONT_FILE, documents=False, public=True),
    Route(
        "GET",
        "dhis-web-commons/menu/getModules.action",
        static.menu,
        described.system.MENU,
        documents=False,
        public=True,
    ),
    Route(
        "POST",
        "dhis-web-commons-security/login.action",
        login.log_in_by_form,
        described.accounts.LOG_IN_BY_FORM,
        documents=False,
        public=True,
    ),
    Route(
        "GET",
        "dhis-web-commons-security/logout.action",
        login.log_out_by_link,
        described.accounts.LOG_OUT_BY_LINK,
        documents=False,
        public=True,
    ),
    Route(
        "POST",
        "dhis-web-commons-security/logout.action",
        login.log_out_by_link,
        described.accounts.LOG_OUT_BY_LINK,
        documents=False,
        public=True,
    ),
)
