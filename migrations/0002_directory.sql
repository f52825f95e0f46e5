-- The directory: people, groups, units and roles. Ordinary tables, not events: they belong to another system, and the
-- last import wins. First release. Every transaction that changes one of them moves directory_revision and notifies
-- convstore_directory, so that all processes drop what they remember.
--
-- No foreign keys: a distributed PostgreSQL could not hold them (design section 11). The writers in
-- src/convstore/directory keep the tables free of references to what is not there.

-- A row is one person who can be written to, and who may log in when he has a password and is not disabled.
-- password_hash: Argon2id (ours) or bcrypt (imported, until the first login); NULL means no login.
-- name_words: the words of first name and surname, folded (src/convstore/words.py), written with them: what searches
-- for senders look into.
-- imported: came from the other system, so an import may delete it; accounts made here are never deleted by one.
-- imported_password: SHA-256 of the hash that the last import brought, so that the same import again does not undo
-- what happened to the password here. What is digested has a random salt in it, so nothing can be guessed from it.
CREATE TABLE account (
    id                text        NOT NULL PRIMARY KEY,
    username          text        NOT NULL,
    first_name        text        NOT NULL,
    surname           text        NOT NULL,
    name_words        tsvector    NOT NULL DEFAULT '',
    code              text        NULL,
    email             text        NULL,
    phone_number      text        NULL,
    uuid              uuid        NOT NULL,
    disabled          boolean     NOT NULL DEFAULT false,
    password_hash     text        NULL,
    imported          boolean     NOT NULL DEFAULT false,
    imported_password bytea       NULL,
    created           timestamptz NOT NULL DEFAULT now(),
    last_updated      timestamptz NOT NULL DEFAULT now(),
    last_login        timestamptz NULL
);
-- Names to log in by: case-insensitive, as DHIS2 does.
CREATE UNIQUE INDEX account_username ON account (lower(username));
-- People whose names have words with these beginnings.
CREATE INDEX account_by_name_words ON account USING gin (name_words);

-- A row is a person whom an import deleted and whose copies of conversations are still to be removed, by commands to
-- the log; it goes when that is done. So a crash between the two leaves nothing undone.
CREATE TABLE departed (
    user_id text        NOT NULL PRIMARY KEY,
    since   timestamptz NOT NULL DEFAULT now()
);

-- A row is one role and what it allows.
CREATE TABLE user_role (
    id          text    NOT NULL PRIMARY KEY,
    name        text    NOT NULL,
    code        text    NULL,
    authorities text[]  NOT NULL,
    imported    boolean NOT NULL DEFAULT false
);
CREATE TABLE account_role (
    user_id text NOT NULL,
    role_id text NOT NULL,
    PRIMARY KEY (user_id, role_id)
);
-- Who holds a role: the superusers among the ticket managers.
CREATE INDEX account_role_by_role ON account_role (role_id, user_id);

-- A row is one group of people. public_access is DHIS2's 'rw------'; owner and user_group_access share it with single
-- people and with members of groups.
CREATE TABLE user_group (
    id            text        NOT NULL PRIMARY KEY,
    name          text        NOT NULL,
    code          text        NULL,
    public_access text        NOT NULL DEFAULT 'r-------',
    owner         text        NULL,
    imported      boolean     NOT NULL DEFAULT false,
    created       timestamptz NOT NULL DEFAULT now(),
    last_updated  timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE user_group_member (
    group_id text NOT NULL,
    user_id  text NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX user_group_member_by_user ON user_group_member (user_id, group_id);

-- A row shares one group with one person or with the members of one other group.
CREATE TABLE user_group_access (
    group_id     text NOT NULL,
    grantee_kind text NOT NULL,
    grantee_id   text NOT NULL,
    access       text NOT NULL,
    PRIMARY KEY (group_id, grantee_kind, grantee_id),
    CONSTRAINT grantee_is_a_user_or_a_group CHECK (grantee_kind IN ('user', 'group'))
);

-- A row is one unit of the organisation tree; path is '/root/.../id', level counts from 1.
CREATE TABLE organisation_unit (
    id           text        NOT NULL PRIMARY KEY,
    name         text        NOT NULL,
    short_name   text        NULL,
    code         text        NULL,
    parent_id    text        NULL,
    path         text        NOT NULL,
    level        int         NOT NULL,
    imported     boolean     NOT NULL DEFAULT false,
    created      timestamptz NOT NULL DEFAULT now(),
    last_updated timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE organisation_unit_member (
    unit_id text NOT NULL,
    user_id text NOT NULL,
    PRIMARY KEY (unit_id, user_id)
);
CREATE INDEX organisation_unit_member_by_user ON organisation_unit_member (user_id, unit_id);

-- A row is one setting of the whole system (feedbackRecipients, applicationTitle, …).
CREATE TABLE setting (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- A row is one person's own setting (keyUiLocale, keyMessageEmailNotification, …).
CREATE TABLE user_setting (
    user_id text NOT NULL,
    name    text NOT NULL,
    value   text NOT NULL,
    PRIMARY KEY (user_id, name)
);

-- One row: counts the changes of the directory, so that caches and ETags know; its lock puts the writers in a queue.
CREATE TABLE directory_revision (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true,
    revision bigint  NOT NULL DEFAULT 1,
    CONSTRAINT one_row CHECK (only_row)
);
INSERT INTO directory_revision DEFAULT VALUES;

-- The server keeps the directory; it owns none of it.
GRANT SELECT, INSERT, UPDATE, DELETE
   ON account, departed, user_role, account_role, user_group, user_group_member, user_group_access,
      organisation_unit, organisation_unit_member, setting, user_setting
   TO convstore_server;
GRANT SELECT, UPDATE ON directory_revision TO convstore_server;
