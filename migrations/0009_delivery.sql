-- Delivery by e-mail and SMS: what was sent to whom, and how far each channel has come in the log. Adds tables only: the
-- release before works on it. First release.
--
-- No read models: never rebuilt, for a message that was sent cannot be taken back, and must not be sent again. A channel
-- ('email', 'sms') that has no checkpoints yet begins at the end of the log.

-- A row is one channel: which process sends, fenced by its epoch, until when it need not say that it is still there.
-- trouble, troubled_at, rests_until: why the mail server or gateway takes nothing, since when, and until when it is left
-- alone.
CREATE TABLE delivery_leader (
    channel     text        NOT NULL PRIMARY KEY,
    owner       text        NOT NULL DEFAULT '',
    epoch       bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    trouble     text        NULL,
    troubled_at timestamptz NULL,
    rests_until timestamptz NULL
);

-- A row is how far a channel has come in one partition: every message up to there has its rows in delivery. hash: of the
-- batch that it ends in, as in checkpoint. stopped: why it goes no further, until somebody says what to do.
CREATE TABLE delivery_checkpoint (
    channel   text        NOT NULL,
    partition int         NOT NULL,
    position  bigint      NOT NULL,
    hash      bytea       NOT NULL,
    moved_at  timestamptz NOT NULL DEFAULT now(),
    stopped   text        NULL,
    PRIMARY KEY (partition, channel)
);

-- A row is one message to one person by one channel. Neither text nor address: both are read when it is sent.
-- version: the message's place in its conversation's stream. internal: the message exists for ticket managers only.
-- state: waiting (until due), sending; sent, skipped, failed, expired, uncertain, bounced. docs/delivery.md says of each.
-- reason: of the last attempt or the final state, in our words or an SMTP or HTTP code; never an answer's text.
-- since: when it was first to be sent, or when somebody asked for it anew: it is not tried for ever.
-- epoch: of the leader that is sending it. repeated: its sender died at it once, or it broke off when it was handed over:
-- it is sent again, and not a third time.
CREATE TABLE delivery (
    partition       int         NOT NULL,
    conversation_id text        NOT NULL,
    user_id         text        NOT NULL,
    channel         text        NOT NULL,
    version         int         NOT NULL,
    message_id      text        NOT NULL,
    forced          boolean     NOT NULL DEFAULT false,
    internal        boolean     NOT NULL DEFAULT false,
    state           text        NOT NULL DEFAULT 'waiting',
    reason          text        NULL,
    attempts        int         NOT NULL DEFAULT 0,
    due             timestamptz NOT NULL,
    epoch           bigint      NOT NULL DEFAULT 0,
    repeated        boolean     NOT NULL DEFAULT false,
    since           timestamptz NOT NULL DEFAULT now(),
    created         timestamptz NOT NULL DEFAULT now(),
    changed         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, conversation_id, user_id, channel, version),
    CONSTRAINT there_is_such_a_state CHECK (
        state IN ('waiting', 'sending', 'sent', 'skipped', 'failed', 'expired', 'uncertain', 'bounced')
    )
);
-- What to send next, oldest first.
CREATE INDEX delivery_due ON delivery (channel, due) WHERE state = 'waiting';
-- What somebody was sending when he died.
CREATE INDEX delivery_in_hand ON delivery (channel) WHERE state = 'sending';
-- What never arrived, newest first: the dead letters.
CREATE INDEX delivery_dead ON delivery (channel, changed) WHERE state IN ('failed', 'expired', 'uncertain', 'bounced');
-- What is done with, oldest first: to be swept out one day.
CREATE INDEX delivery_done ON delivery (changed) WHERE state NOT IN ('waiting', 'sending');

GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_leader, delivery_checkpoint, delivery TO convstore_server;
