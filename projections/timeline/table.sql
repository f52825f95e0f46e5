-- What was when, by position in the log: from when until when each person had a copy of a conversation, how the
-- conversation was after each event that changed it, and each person's marks. Rows are written once and stay as they are,
-- but for the end of a copy. Nobody's words are in here; the thread has those.

-- A row is one copy of one conversation that one person had, from one event until another. Who left and came back has
-- two of them.
CREATE TABLE timeline_copy_v1 (
    user_id         text   NOT NULL,
    conversation_id text   NOT NULL,
    partition       int    NOT NULL,
    key             uuid   NOT NULL,
    -- Versions of the stream: the event that brought the copy, and up to where it was read at once; 0 is nowhere.
    version         int    NOT NULL,
    read            int    NOT NULL,
    -- Positions: the event that brought it, and the one that took it; the largest there is while nothing has.
    since           bigint NOT NULL,
    until           bigint NOT NULL,
    -- The copies that somebody ever had, in the order of conversations.
    CONSTRAINT timeline_copy_v1_one_at_a_time PRIMARY KEY (user_id, conversation_id, since)
);
-- Who ever had a copy of a conversation.
CREATE INDEX timeline_copy_v1_by_conversation ON timeline_copy_v1 (conversation_id, user_id);

-- A row is one conversation as it was after one event that changed it for all who have a copy. The columns in pairs are
-- those of inbox_conversation_v1.
CREATE TABLE timeline_change_v1 (
    conversation_id  text        NOT NULL,
    position         bigint      NOT NULL,
    version          int         NOT NULL,
    status           text        NOT NULL,
    priority         text        NOT NULL,
    assignee         text        NULL,
    message_count    int         NOT NULL,
    last_updated     timestamptz NOT NULL,
    last_message     timestamptz NOT NULL,
    last_sender      text        NULL,
    last_updated_all timestamptz NOT NULL,
    last_message_all timestamptz NOT NULL,
    last_sender_all  text        NULL,
    -- Versions, 0 for none: the latest message for everybody, the latest of those by anybody else than its sender, and
    -- the latest internal one.
    posted           int         NOT NULL,
    by_another       int         NOT NULL,
    internal         int         NOT NULL,
    -- How a conversation was at a position: the last row at or before it.
    CONSTRAINT timeline_change_v1_one_a_position PRIMARY KEY (conversation_id, position)
);

-- A row is one internal message, with those whom it made the conversation unread for.
CREATE TABLE timeline_internal_v1 (
    conversation_id text   NOT NULL,
    version         int    NOT NULL,
    position        bigint NOT NULL,
    unread_for      text[] NOT NULL,
    CONSTRAINT timeline_internal_v1_one_a_version PRIMARY KEY (conversation_id, version)
);

-- A row is one time that a person marked his copy as read, or as unread. up_to: the version that he has read up to; 0
-- for unread.
CREATE TABLE timeline_read_v1 (
    user_id         text   NOT NULL,
    conversation_id text   NOT NULL,
    position        bigint NOT NULL,
    up_to           int    NOT NULL,
    CONSTRAINT timeline_read_v1_one_a_position PRIMARY KEY (user_id, conversation_id, position)
);

-- A row is one time that a person marked his copy for follow-up, or took the mark away.
CREATE TABLE timeline_follow_up_v1 (
    user_id         text    NOT NULL,
    conversation_id text    NOT NULL,
    position        bigint  NOT NULL,
    follow_up       boolean NOT NULL,
    CONSTRAINT timeline_follow_up_v1_one_a_position PRIMARY KEY (user_id, conversation_id, position)
);
