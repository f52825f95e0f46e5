-- Durable subscriptions to the log: how far other systems have dealt with it, by the server's own record. Adds tables
-- only: the release before works on it. First release.
--
-- Conversations are shared out in 64 slots, by SHA-256 of the uid modulo 64. Each slot is dealt with by one consumer at a
-- time, so each conversation is in order, and in each partition of the log it has a place: everything up to there was
-- acknowledged.

-- A row is one subscription: what is followed, and with which of its account's rights. own: only the account's inbox.
-- lease: seconds after which a consumer that says nothing counts as dead.
CREATE TABLE subscription (
    name         text        NOT NULL PRIMARY KEY,
    user_id      text        NOT NULL,
    types        text[]      NOT NULL,
    conversation text        NULL,
    own          boolean     NOT NULL,
    texts        boolean     NOT NULL,
    internal     boolean     NOT NULL,
    lease        float8      NOT NULL,
    created      timestamptz NOT NULL DEFAULT now()
);

-- A row is one slot: which consumer has it, '' for nobody. The epoch grows whenever another one gets it: what the one
-- before acknowledges from then on does not count.
CREATE TABLE subscription_slot (
    name  text   NOT NULL REFERENCES subscription ON DELETE CASCADE,
    slot  int    NOT NULL,
    owner text   NOT NULL DEFAULT '',
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (name, slot)
) WITH (fillfactor = 50);

-- A row is one consumer, and until when it need not say that it is still there. One that is not has no slots.
CREATE TABLE subscription_consumer (
    name        text        NOT NULL REFERENCES subscription ON DELETE CASCADE,
    consumer    text        NOT NULL,
    alive_until timestamptz NOT NULL,
    PRIMARY KEY (name, consumer)
) WITH (fillfactor = 50);

-- A row is the place of one slot in one partition: the position up to which everything was dealt with.
CREATE TABLE subscription_place (
    name      text   NOT NULL REFERENCES subscription ON DELETE CASCADE,
    partition int    NOT NULL,
    slot      int    NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (name, partition, slot)
) WITH (fillfactor = 50);

-- A row is the furthest of these places in one partition, and the hash of the batch that it lies in, as in checkpoint: so
-- a subscription that is ahead of the log, or on another history of it, is told.
CREATE TABLE subscription_checkpoint (
    name      text   NOT NULL REFERENCES subscription ON DELETE CASCADE,
    partition int    NOT NULL,
    position  bigint NOT NULL,
    hash      bytea  NOT NULL,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 50);

-- A row is an event that a consumer could not deal with, and why. due: it is to be given once more.
CREATE TABLE subscription_dead_letter (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name      text        NOT NULL REFERENCES subscription ON DELETE CASCADE,
    slot      int         NOT NULL,
    partition int         NOT NULL,
    position  bigint      NOT NULL,
    stream    text        NOT NULL,
    version   int         NOT NULL,
    type      text        NOT NULL,
    reason    text        NOT NULL,
    attempts  int         NOT NULL DEFAULT 1,
    failed_at timestamptz NOT NULL DEFAULT now(),
    due       boolean     NOT NULL DEFAULT false,
    CONSTRAINT a_letter_is_dead_once UNIQUE (name, partition, position)
);
-- The letters of a subscription, oldest first.
CREATE INDEX subscription_dead_letter_by_name ON subscription_dead_letter (name, id);
-- Those that are to be given once more.
CREATE INDEX subscription_dead_letter_due ON subscription_dead_letter (name, slot, id) WHERE due;

GRANT SELECT, INSERT, UPDATE, DELETE
   ON subscription, subscription_slot, subscription_consumer, subscription_place, subscription_checkpoint,
      subscription_dead_letter
   TO convstore_server;
