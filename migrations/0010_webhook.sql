-- Webhooks: subscriptions whose events are pushed to their receivers. Adds tables only: the release before works on them,
-- and pushes nothing. First release.

-- A row is where the events of one subscription are pushed to. secrets: with which each request is signed, the newest
-- first; several while a receiver goes over to a new one. revision: grows when it is to begin anew. paused: why nothing is pushed, and nothing passed over either.
-- trouble: why nothing can be pushed at the moment, whatever the receiver would say.
CREATE TABLE webhook (
    name        text        NOT NULL PRIMARY KEY REFERENCES subscription ON DELETE CASCADE,
    url         text        NOT NULL,
    headers     json        NOT NULL,
    secrets     text[]      NOT NULL,
    revision    bigint      NOT NULL DEFAULT 0,
    created     timestamptz NOT NULL DEFAULT now(),
    paused      text        NULL,
    paused_at   timestamptz NULL,
    trouble     text        NULL,
    troubled_at timestamptz NULL,
    CONSTRAINT a_webhook_signs CHECK (cardinality(secrets) BETWEEN 1 AND 5),
    CONSTRAINT a_pause_has_a_time CHECK ((paused IS NULL) = (paused_at IS NULL)),
    CONSTRAINT trouble_has_a_time CHECK ((trouble IS NULL) = (troubled_at IS NULL))
);

-- A row is the event that a slot stands at, because its receiver did not take it yet: how often it was tried, since when,
-- why in vain, and when it is to be tried again. Whoever takes the slot over goes on from there.
CREATE TABLE webhook_try (
    name      text        NOT NULL REFERENCES webhook ON DELETE CASCADE,
    slot      int         NOT NULL,
    partition int         NOT NULL,
    position  bigint      NOT NULL,
    attempts  int         NOT NULL,
    began     timestamptz NOT NULL DEFAULT now(),
    due       timestamptz NOT NULL,
    reason    text        NOT NULL,
    PRIMARY KEY (name, slot)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook, webhook_try TO convstore_server;
