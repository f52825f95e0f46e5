-- What rebuilding and sampling read models leaves behind. Adds columns with defaults and tables: the release before works
-- on it. First release.

-- Whether the read model has ever been at the end of the log: until then what it shows is not what was, and nobody is
-- served from it. And the last trouble that went away by itself: what, and when.
ALTER TABLE checkpoint ADD COLUMN ready boolean NOT NULL DEFAULT true;
ALTER TABLE checkpoint ALTER COLUMN ready SET DEFAULT false;
ALTER TABLE checkpoint ADD COLUMN trouble text NULL;
ALTER TABLE checkpoint ADD COLUMN troubled_at timestamptz NULL;

-- A row is one table of one version of a read model, so that those of versions that are no longer used can be dropped.
CREATE TABLE projection_table (
    projection text NOT NULL,
    name       text NOT NULL PRIMARY KEY
);

-- A row is a schema with tables that a rebuild has replaced: kept for a while, then dropped.
CREATE TABLE projection_retired (
    schema_name text        NOT NULL PRIMARY KEY,
    projection  text        NOT NULL,
    retired_at  timestamptz NOT NULL DEFAULT now(),
    drop_after  timestamptz NOT NULL
);

-- A row is what the samples of a running server have found of one read model, in all: conversations that were replayed
-- and compared, and those that differed; the last of these by name.
CREATE TABLE projection_sample (
    projection        text        NOT NULL PRIMARY KEY,
    conversations     bigint      NOT NULL DEFAULT 0,
    differing         bigint      NOT NULL DEFAULT 0,
    sampled_at        timestamptz NOT NULL,
    last_conversation text        NULL,
    last_table        text        NULL,
    differed_at       timestamptz NULL
);
GRANT SELECT ON projection_table, projection_retired TO convstore_server;
GRANT SELECT, INSERT, UPDATE ON projection_sample TO convstore_server;
