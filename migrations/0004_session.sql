-- Ways back in that are not a password: sessions of browsers, tokens of programs. Adds tables only: the release before
-- works on it. First release.
--
-- What a browser or a program shows is random, 190 bits or more, so that one round of SHA-256 keeps it as safe as a slow
-- hash keeps a password: whoever reads these tables cannot log in with what he finds.

-- A row is one browser, or one program with a cookie jar, that somebody has logged in with.
-- credential: SHA-256 of the password hash that let him in. A session whose account has another one is void, so that
-- whoever changes a password, in whatever way, ends the sessions that the old one opened.
-- idle: how long it lasts without being used; expires: when that is over. last_seen is coarse, see sessions.sql.
CREATE TABLE session (
    token_hash bytea       NOT NULL PRIMARY KEY,
    user_id    text        NOT NULL,
    credential bytea       NOT NULL,
    idle       interval    NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    last_seen  timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL
);
-- The sessions of one account: to end them, and to keep only so many of them.
CREATE INDEX session_by_user ON session (user_id, last_seen);
-- What has expired, to be swept out.
CREATE INDEX session_by_expiry ON session (expires);

-- A row is one personal access token: what it may be used for, and until when.
-- scopes: 'full', 'read'; a list, because a token for the event stream names the types that it may read.
-- methods: the HTTP methods that it may be used with; NULL for all.
-- hint: its last four characters, by which its owner tells it from his others.
CREATE TABLE api_token (
    id         text        NOT NULL PRIMARY KEY,
    token_hash bytea       NOT NULL,
    user_id    text        NOT NULL,
    name       text        NOT NULL,
    hint       text        NOT NULL,
    scopes     text[]      NOT NULL,
    methods    text[]      NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL,
    last_used  timestamptz NULL,
    CONSTRAINT a_token_is_for_something CHECK (cardinality(scopes) > 0)
);
-- Whose token this is.
CREATE UNIQUE INDEX api_token_by_hash ON api_token (token_hash);
-- The tokens of one account, newest first.
CREATE INDEX api_token_by_user ON api_token (user_id, created);

GRANT SELECT, INSERT, UPDATE, DELETE ON session, api_token TO convstore_server;
