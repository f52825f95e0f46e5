-- Files that messages carry: what is known of them. Their bytes lie in a folder or a bucket, never here. Adds tables
-- only: the release before works on it. First release.

-- A row is one file that somebody uploaded.
-- storage_key: where its bytes lie, below the folder or bucket that the server is told; known before the first of them
-- is written, so that nothing lies there that no row knows of.
-- stored: when its bytes were complete; NULL while they come, and for ever if their upload broke off.
-- md5, sha256, length: of the bytes; NULL until stored.
-- conversation_id, message_id, reserved: the message that asked for it, and when. Whether that message was ever posted
-- is for the log to say. taken: the log was seen to say so.
-- doomed: its bytes are being removed, and then the row; nobody may ask for it any more.
CREATE TABLE file_resource (
    id              text        NOT NULL PRIMARY KEY,
    owner           text        NOT NULL,
    name            text        NOT NULL,
    content_type    text        NOT NULL,
    storage_key     text        NOT NULL,
    created         timestamptz NOT NULL DEFAULT now(),
    stored          timestamptz NULL,
    length          bigint      NULL,
    md5             bytea       NULL,
    sha256          bytea       NULL,
    conversation_id text        NULL,
    message_id      text        NULL,
    reserved        timestamptz NULL,
    taken           boolean     NOT NULL DEFAULT false,
    doomed          boolean     NOT NULL DEFAULT false,
    CONSTRAINT what_is_stored_is_known CHECK (stored IS NULL OR num_nulls(length, md5, sha256) = 0),
    CONSTRAINT a_reservation_is_whole CHECK (num_nulls(conversation_id, message_id, reserved) IN (0, 3)),
    CONSTRAINT only_what_was_reserved_is_taken CHECK (NOT taken OR message_id IS NOT NULL)
);
-- What no message has taken: an account's, to keep it from filling the disk, and the old ones, to be swept out.
CREATE INDEX file_resource_waiting ON file_resource (owner, created) WHERE NOT taken;
-- The conversations that files belong to: to find those that are gone.
CREATE INDEX file_resource_by_conversation ON file_resource (conversation_id) WHERE taken;

-- One row: when files were last swept. Whoever moves the time on does the work, and the others leave it to him.
CREATE TABLE file_sweep (
    only_one boolean     NOT NULL PRIMARY KEY DEFAULT true CHECK (only_one),
    begun    timestamptz NOT NULL
);
INSERT INTO file_sweep (begun) VALUES ('-infinity');

GRANT SELECT, INSERT, UPDATE, DELETE ON file_resource TO convstore_server;
GRANT SELECT, UPDATE ON file_sweep TO convstore_server;
