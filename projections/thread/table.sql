-- A row is one message of a conversation, in the order of version.
CREATE TABLE thread_v1 (
    conversation_id text        NOT NULL,
    version         int         NOT NULL,
    message_id      text        NOT NULL,
    sent            timestamptz NOT NULL,
    sender          text        NULL,
    internal        boolean     NOT NULL,
    text            text        NULL,
    user_agent      text        NULL,
    attachments     json        NOT NULL,
    position        bigint      NOT NULL,
    CONSTRAINT thread_v1_one_message_a_version PRIMARY KEY (conversation_id, version)
);
-- One message of a conversation by its own uid: the way to its attachments.
CREATE INDEX thread_v1_by_message ON thread_v1 (conversation_id, message_id);
