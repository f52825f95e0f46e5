-- The directory: people, groups, units and roles. Ordinary tables, not events: they belong to another system, and the
-- last import wins. First release.

-- A row is one person who can be written to, and who may log in when he has a password and is not disabled.
-- password_hash: Argon2id (ours) or bcrypt (imported); NULL means no login.
CREATE TABLE account (
    id            text        NOT NULL PRIMARY KEY,
    username      text        NOT NULL,
    first_name    text        NOT NULL,
    surname       text        NOT NULL,
    code          text        NULL,
    email         text        NULL,
    phone_number  text        NULL,
    uuid          uuid        NOT NULL,
    disabled      boolean     NOT NULL DEFAULT false,
    password_hash text        NULL,
    created       timestamptz NOT NULL DEFAULT now(),
    last_updated  timestamptz NOT NULL DEFAULT now(),
    last_login    timestamptz NULL
);
-- Names to log in by: case-insensitive, as DHIS2 does.
CREATE UNIQUE INDEX account_username ON account (lower(username));

-- A row is one role and what it allows.
CREATE TABLE user_role (
    id          text   NOT NULL PRIMARY KEY,
    name        text   NOT NULL,
    code        text   NULL,
    authorities text[] NOT NULL
);
CREATE TABLE account_role (
    user_id text NOT NULL,
    role_id text NOT NULL,
    PRIMARY KEY (user_id, role_id)
);

-- A row is one group of people. public_access is DHIS2's 'rw------'; owner and access_* share it with single people
-- and with members of groups.
CREATE TABLE user_group (
    id            text        NOT NULL PRIMARY KEY,
    name          text        NOT NULL,
    code          text        NULL,
    public_access text        NOT NULL DEFAULT 'r-------',
    owner         text        NULL,
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

-- One row: counts the changes of the directory, so that caches and ETags know.
CREATE TABLE directory_revision (
    only_row boolean NOT NULL PRIMARY KEY DEFAULT true,
    revision bigint  NOT NULL DEFAULT 1,
    CONSTRAINT one_row CHECK (only_row)
);
INSERT INTO directory_revision DEFAULT VALUES;
