-- The log, and what must never be lost beside it. Runs as the owner; the server works as convstore_server.
-- First release: there is no previous one to keep working.

-- A row is one event: what happened, when, by whom. Positions are dense from 1 within a partition, in commit order;
-- versions are dense from 1 within a stream. json, not jsonb: it keeps the exact bytes, which the chain covers.
CREATE TABLE event (
    partition   int         NOT NULL,
    position    bigint      NOT NULL,
    stream      text        NOT NULL,
    version     int         NOT NULL,
    type        text        NOT NULL,
    data        json        NOT NULL,
    meta        json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT event_position_is_unique PRIMARY KEY (partition, position),
    CONSTRAINT event_version_is_unique UNIQUE (partition, stream, version)
);

-- A row is the end of one partition. Locked by each append: that is what makes commit order the order of positions.
CREATE TABLE head (
    partition   int         NOT NULL,
    position    bigint      NOT NULL DEFAULT 0,
    hash        bytea       NOT NULL DEFAULT '\x',
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (partition)
);

-- A row is one append: the events from first to last position, chained by their hash to the batch before.
CREATE TABLE batch (
    partition      int         NOT NULL,
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL,
    recorded_at    timestamptz NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (partition, last_position)
);

-- A row is the version that a stream has reached; changed under the head's lock only.
CREATE TABLE stream (
    partition int  NOT NULL,
    stream    text NOT NULL,
    version   int  NOT NULL,
    PRIMARY KEY (partition, stream)
);

-- A row is a keyed request that was carried out: its digest, and the answer to give again. Kept 7 days.
CREATE TABLE idempotency_key (
    partition   int         NOT NULL,
    account     text        NOT NULL,
    key         text        NOT NULL,
    digest      bytea       NOT NULL,
    result      json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (partition, account, key)
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (partition, recorded_at);

-- A row is how far a read model has taken in a partition, on which history of the log (hash of the batch it ends in),
-- and which process may move it: a lease that expires, fenced by its epoch.
CREATE TABLE checkpoint (
    projection text        NOT NULL,
    partition  int         NOT NULL,
    position   bigint      NOT NULL DEFAULT 0,
    hash       bytea       NOT NULL DEFAULT '\x',
    owner      text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at   timestamptz NOT NULL DEFAULT now(),
    -- Why it stands still, when an event could not be taken in; NULL while it runs.
    stopped    text        NULL,
    PRIMARY KEY (partition, projection)
);

-- A row is one fact about the store itself: the number of partitions, its id, its secret.
CREATE TABLE store (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);
