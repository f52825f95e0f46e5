-- A row is one conversation, with what every copy of it repeats. Where values come in pairs, the plain one is over the
-- messages that everybody may see, the one in _all over the internal ones too: the reader's right chooses when he reads.
CREATE TABLE inbox_conversation_v1 (
    conversation_id  text        NOT NULL PRIMARY KEY,
    partition        int         NOT NULL,
    message_type     text        NOT NULL,
    subject          text        NOT NULL,
    status           text        NOT NULL,
    priority         text        NOT NULL,
    assignee         text        NULL,
    external_id      text        NULL,
    created          timestamptz NOT NULL,
    created_by       text        NULL,
    -- Messages for everybody; internal ones are not counted.
    message_count    int         NOT NULL,
    last_updated     timestamptz NOT NULL,
    last_message     timestamptz NOT NULL,
    last_sender      text        NULL,
    last_updated_all timestamptz NOT NULL,
    last_message_all timestamptz NOT NULL,
    last_sender_all  text        NULL,
    -- Of the last event that changed this row: its version in the stream and its position in the log. What changes only
    -- one person's copy does not change this row.
    version          int         NOT NULL,
    position         bigint      NOT NULL
);
-- The tickets that a ticket manager may find though he has no copy, newest first; by status, priority and assignee too,
-- without a look at the rows.
CREATE INDEX inbox_conversation_v1_tickets
    ON inbox_conversation_v1 (last_message_all DESC, conversation_id) INCLUDE (status, priority, assignee)
    WHERE message_type = 'TICKET';

-- A row is one person's copy of one conversation. position: the last event that changed this row, so that taking the
-- same event in again changes nothing. changed: the last one but for internal messages, which is what a person who does
-- not see these sees of it. Either is another one for each of a person's copies in a partition, for an event concerns
-- one conversation.
CREATE TABLE inbox_v1 (
    user_id          text        NOT NULL,
    conversation_id  text        NOT NULL,
    partition        int         NOT NULL,
    key              uuid        NOT NULL,
    message_type     text        NOT NULL,
    subject          text        NOT NULL,
    status           text        NOT NULL,
    priority         text        NOT NULL,
    assignee         text        NULL,
    external_id      text        NULL,
    created          timestamptz NOT NULL,
    created_by       text        NULL,
    message_count    int         NOT NULL,
    last_updated     timestamptz NOT NULL,
    last_message     timestamptz NOT NULL,
    last_sender      text        NULL,
    last_updated_all timestamptz NOT NULL,
    last_message_all timestamptz NOT NULL,
    last_sender_all  text        NULL,
    unread           boolean     NOT NULL,
    unread_all       boolean     NOT NULL,
    follow_up        boolean     NOT NULL,
    -- Versions of the stream: the latest message for everybody by somebody else, and the latest internal one that named
    -- this person, since the copy came; 0 is none. They tell whether something was posted after what a person has read.
    public_version   int         NOT NULL,
    internal_version int         NOT NULL,
    position         bigint      NOT NULL,
    changed          bigint      NOT NULL,
    CONSTRAINT inbox_v1_one_copy_each PRIMARY KEY (user_id, conversation_id)
)
-- Room on each page, so that a new version of a row mostly stays on the page of the old one.
WITH (fillfactor = 85);
-- Whose copies there are of a conversation: participants of one, and the rows that an event of it changes.
CREATE INDEX inbox_v1_by_conversation ON inbox_v1 (conversation_id, user_id);
-- A person's list of all, newest first, in the view without and with internal messages.
CREATE INDEX inbox_v1_newest ON inbox_v1 (user_id, last_message DESC, conversation_id);
CREATE INDEX inbox_v1_newest_all ON inbox_v1 (user_id, last_message_all DESC, conversation_id);
-- A person's list of one folder, newest first, and what passes of it by status, priority and assignee, to be counted or
-- skipped without a look at the rows.
CREATE INDEX inbox_v1_folder
    ON inbox_v1 (user_id, message_type, last_message DESC, conversation_id) INCLUDE (status, priority, assignee);
-- What is unread in a folder, newest first, in either view: one that is far down is found at once. Marking read has to
-- touch the indexes for it, at 10 microseconds a row.
CREATE INDEX inbox_v1_unread
    ON inbox_v1 (user_id, message_type, last_message DESC, conversation_id)
    WHERE unread;
CREATE INDEX inbox_v1_unread_all
    ON inbox_v1 (user_id, message_type, last_message_all DESC, conversation_id)
    WHERE unread_all;
-- What a person has marked for follow-up: a few of many.
CREATE INDEX inbox_v1_follow_up
    ON inbox_v1 (user_id, conversation_id)
    WHERE follow_up;

-- What changed for a person since he last looked, in the order in which it did; in the view with internal messages, the
-- few copies whose last change is one have a place of their own.
CREATE INDEX inbox_v1_changed ON inbox_v1 (user_id, partition, changed);
CREATE INDEX inbox_v1_changed_internally
    ON inbox_v1 (user_id, partition, position)
    WHERE position <> changed;

-- A row is a tombstone: a person had a copy of a conversation, until this position, and may have another one by now.
-- ends: when it is cleared away, 30 days later or a little more.
CREATE TABLE inbox_gone_v1 (
    user_id         text        NOT NULL,
    conversation_id text        NOT NULL,
    partition       int         NOT NULL,
    position        bigint      NOT NULL,
    ends            timestamptz NOT NULL,
    CONSTRAINT inbox_gone_v1_one_each PRIMARY KEY (user_id, conversation_id)
);
-- What went for a person since he last looked.
CREATE INDEX inbox_gone_v1_since ON inbox_gone_v1 (user_id, partition, position);
-- What is to be cleared away.
CREATE INDEX inbox_gone_v1_by_end ON inbox_gone_v1 (partition, ends);

-- A row is how many copies, and how many unread ones, a person has of one type in one partition: always the sums over
-- inbox_v1, kept by the statements that change it. No row for no copies.
CREATE TABLE inbox_count_v1 (
    user_id      text NOT NULL,
    message_type text NOT NULL,
    partition    int  NOT NULL,
    total        int  NOT NULL,
    unread       int  NOT NULL,
    unread_all   int  NOT NULL,
    CONSTRAINT inbox_count_v1_one_each PRIMARY KEY (user_id, message_type, partition)
)
WITH (fillfactor = 70);
