-- What the engine keeps beside its checkpoints. Adds a table only: the release before works on it. First release.

-- A row is one event that somebody told a read model to leave out, because it could not take it in. Never forgotten:
-- a rebuild leaves out the same events, and auditors see who decided so.
CREATE TABLE projection_skip (
    projection text        NOT NULL,
    partition  int         NOT NULL,
    position   bigint      NOT NULL,
    stream     text        NOT NULL,
    version    int         NOT NULL,
    type       text        NOT NULL,
    -- Why the read model had stopped there.
    reason     text        NOT NULL,
    skipped_by text        NOT NULL,
    -- Why it may be left out, in the words of who decided so.
    note       text        NOT NULL DEFAULT '',
    skipped_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, projection, position)
);
GRANT SELECT, INSERT ON projection_skip TO convstore_server;
