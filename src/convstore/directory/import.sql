-- stage --
-- Tables of this import only; they go with its transaction.
CREATE TEMPORARY TABLE staged_unit (
    id text PRIMARY KEY, name text, short_name text, code text, parent_id text, created timestamptz,
    last_updated timestamptz
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_role (
    id text PRIMARY KEY, name text, code text, authorities text[]
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_group (
    id text PRIMARY KEY, name text, code text, shared boolean, public_access text, owner text, created timestamptz,
    last_updated timestamptz
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_user (
    id text PRIMARY KEY, username text, first_name text, surname text, code text, email text, phone_number text,
    uuid uuid, disabled boolean, password_hash text, imported_password bytea, name_words text[], created timestamptz,
    last_updated timestamptz
) ON COMMIT DROP;
-- kind is role, group or unit; holder is the id of one.
CREATE TEMPORARY TABLE staged_link (
    kind text, holder text, user_id text
) ON COMMIT DROP;
-- Whose links the import tells completely: all people of a holder (side holder), all holders of a person (side person).
CREATE TEMPORARY TABLE staged_whole (
    kind text, side text, id text
) ON COMMIT DROP;
CREATE TEMPORARY TABLE staged_grant (
    group_id text, grantee_kind text, grantee_id text, access text
) ON COMMIT DROP;

-- analyze --
-- Temporary tables have no statistics of their own accord, and the plans for 100,000 rows need them.
ANALYZE staged_unit, staged_role, staged_group, staged_user, staged_link, staged_whole, staged_grant;

-- hashes --
-- The password hashes of people, to see whether a plain password is still the one.
--   $1 user ids[]
SELECT id, password_hash
  FROM account
 WHERE id = ANY($1::text[])
   AND password_hash IS NOT NULL;

-- usernames_repeated --
-- Names that the import gives to more than one person.
SELECT min(username) AS username, array_agg(id ORDER BY id) AS ids
  FROM staged_user
 GROUP BY lower(username)
HAVING count(*) > 1
 ORDER BY 1
 LIMIT 5;

-- usernames_taken --
-- Names that somebody has whom the import does not speak of.
SELECT s.username, s.id, a.id AS taken_by, a.imported
  FROM staged_user AS s
  JOIN account AS a ON lower(a.username) = lower(s.username)
 WHERE NOT EXISTS(SELECT FROM staged_user AS o WHERE o.id = a.id)
 ORDER BY 1
 LIMIT 5;

-- unknown_parents --
-- Parents that are nowhere; their children become roots.
WITH orphaned AS (
    UPDATE staged_unit AS s
       SET parent_id = NULL
      FROM staged_unit AS o
     WHERE s.id = o.id
       AND o.parent_id IS NOT NULL
       AND NOT EXISTS(SELECT FROM staged_unit AS p WHERE p.id = o.parent_id)
       AND NOT EXISTS(SELECT FROM organisation_unit AS p WHERE p.id = o.parent_id)
    RETURNING o.parent_id
)
SELECT parent_id AS id, count(*) AS times
  FROM orphaned
 GROUP BY parent_id
 ORDER BY parent_id;

-- units_updated --
UPDATE organisation_unit AS u
   SET name = s.name,
       short_name = s.short_name,
       code = s.code,
       parent_id = s.parent_id,
       imported = true,
       created = COALESCE(s.created, u.created),
       last_updated = COALESCE(s.last_updated, now())
  FROM staged_unit AS s
 WHERE u.id = s.id
   AND (NOT u.imported
        OR (u.name, u.short_name, u.code, u.parent_id) IS DISTINCT FROM (s.name, s.short_name, s.code, s.parent_id)
        OR u.created <> s.created
        OR u.last_updated <> s.last_updated);

-- units_created --
-- The path comes afterwards.
INSERT INTO organisation_unit (id, name, short_name, code, parent_id, path, level, imported, created, last_updated)
SELECT s.id, s.name, s.short_name, s.code, s.parent_id, '', 0, true, COALESCE(s.created, now()),
       COALESCE(s.last_updated, now())
  FROM staged_unit AS s
 WHERE NOT EXISTS(SELECT FROM organisation_unit AS u WHERE u.id = s.id);

-- unit_paths --
-- Paths and levels, from the roots down.
WITH RECURSIVE tree AS (
    SELECT id, '/' || id AS path, 1 AS level
      FROM organisation_unit
     WHERE parent_id IS NULL
     UNION ALL
    SELECT u.id, t.path || '/' || u.id, t.level + 1
      FROM tree AS t
      JOIN organisation_unit AS u ON u.parent_id = t.id
)
UPDATE organisation_unit AS u
   SET path = t.path,
       level = t.level
  FROM tree AS t
 WHERE u.id = t.id
   AND (u.path, u.level) IS DISTINCT FROM (t.path, t.level);

-- units_in_a_loop --
-- Units that no root leads to: a parent of theirs is below them.
WITH RECURSIVE tree AS (
    SELECT id
      FROM organisation_unit
     WHERE parent_id IS NULL
     UNION ALL
    SELECT u.id
      FROM tree AS t
      JOIN organisation_unit AS u ON u.parent_id = t.id
)
SELECT u.id
  FROM organisation_unit AS u
 WHERE NOT EXISTS(SELECT FROM tree AS t WHERE t.id = u.id)
 ORDER BY u.id
 LIMIT 5;

-- units_deleted --
DELETE FROM organisation_unit AS u
 WHERE u.imported
   AND NOT EXISTS(SELECT FROM staged_unit AS s WHERE s.id = u.id);

-- roles_updated --
UPDATE user_role AS r
   SET name = s.name,
       code = s.code,
       authorities = s.authorities,
       imported = true
  FROM staged_role AS s
 WHERE r.id = s.id
   AND (r.name, r.code, r.authorities, r.imported) IS DISTINCT FROM (s.name, s.code, s.authorities, true);

-- roles_created --
INSERT INTO user_role (id, name, code, authorities, imported)
SELECT s.id, s.name, s.code, s.authorities, true
  FROM staged_role AS s
 WHERE NOT EXISTS(SELECT FROM user_role AS r WHERE r.id = s.id);

-- roles_deleted --
DELETE FROM user_role AS r
 WHERE r.imported
   AND NOT EXISTS(SELECT FROM staged_role AS s WHERE s.id = r.id);

-- park_usernames --
-- Names that change hands (anna becomes bob, bob becomes anna) are let go first: names are unique at every moment.
UPDATE account AS a
   SET username = chr(1) || a.id
  FROM staged_user AS s
 WHERE a.id = s.id
   AND lower(a.username) <> lower(s.username);

-- users_updated --
-- A password is taken from an import only when the import's password is not the one that the last import brought.
UPDATE account AS a
   SET username = s.username,
       first_name = s.first_name,
       surname = s.surname,
       code = s.code,
       email = s.email,
       phone_number = s.phone_number,
       uuid = COALESCE(s.uuid, a.uuid),
       disabled = COALESCE(s.disabled, a.disabled),
       password_hash = CASE WHEN s.imported_password IS DISTINCT FROM a.imported_password
                            THEN COALESCE(s.password_hash, a.password_hash)
                            ELSE a.password_hash END,
       imported_password = COALESCE(s.imported_password, a.imported_password),
       name_words = array_to_tsvector(s.name_words),
       imported = true,
       created = COALESCE(s.created, a.created),
       last_updated = COALESCE(s.last_updated, now())
  FROM staged_user AS s
 WHERE a.id = s.id
   AND (NOT a.imported
        OR (a.username, a.first_name, a.surname, a.code, a.email, a.phone_number)
           IS DISTINCT FROM (s.username, s.first_name, s.surname, s.code, s.email, s.phone_number)
        -- Differ for the same name only when words are cut in another way since.
        OR a.name_words <> array_to_tsvector(s.name_words)
        OR a.uuid <> s.uuid
        OR a.disabled <> s.disabled
        OR (s.imported_password IS NOT NULL AND s.imported_password IS DISTINCT FROM a.imported_password)
        OR a.created <> s.created
        OR a.last_updated <> s.last_updated);

-- users_created --
INSERT INTO account (id, username, first_name, surname, code, email, phone_number, uuid, disabled, password_hash,
                     imported, imported_password, name_words, created, last_updated)
SELECT s.id, s.username, s.first_name, s.surname, s.code, s.email, s.phone_number,
       COALESCE(s.uuid, gen_random_uuid()), COALESCE(s.disabled, false), s.password_hash,
       true, s.imported_password, array_to_tsvector(s.name_words), COALESCE(s.created, now()),
       COALESCE(s.last_updated, now())
  FROM staged_user AS s
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = s.id);

-- users_deleted --
-- Whoever goes leaves a note: his copies of conversations are removed afterwards.
WITH gone AS (
    DELETE FROM account AS a
     WHERE a.imported
       AND NOT EXISTS(SELECT FROM staged_user AS s WHERE s.id = a.id)
    RETURNING a.id
)
INSERT INTO departed (user_id)
SELECT id FROM gone
    ON CONFLICT (user_id) DO NOTHING;

-- users_returned --
-- Who comes back before his copies were removed keeps them.
DELETE FROM departed AS d
 USING staged_user AS s
 WHERE d.user_id = s.id;

-- unknown_owners --
-- Owners of groups who are nowhere; their groups get none.
WITH masterless AS (
    UPDATE staged_group AS s
       SET owner = NULL
      FROM staged_group AS o
     WHERE s.id = o.id
       AND o.owner IS NOT NULL
       AND NOT EXISTS(SELECT FROM account AS a WHERE a.id = o.owner)
    RETURNING o.owner
)
SELECT owner AS id, count(*) AS times
  FROM masterless
 GROUP BY owner
 ORDER BY owner;

-- groups_updated --
UPDATE user_group AS g
   SET name = s.name,
       code = s.code,
       public_access = CASE WHEN s.shared THEN s.public_access ELSE g.public_access END,
       owner = CASE WHEN s.shared THEN s.owner ELSE g.owner END,
       imported = true,
       created = COALESCE(s.created, g.created),
       last_updated = COALESCE(s.last_updated, now())
  FROM staged_group AS s
 WHERE g.id = s.id
   AND (NOT g.imported
        OR (g.name, g.code) IS DISTINCT FROM (s.name, s.code)
        OR s.shared AND (g.public_access, g.owner) IS DISTINCT FROM (s.public_access, s.owner)
        OR g.created <> s.created
        OR g.last_updated <> s.last_updated);

-- groups_created --
-- A group of which the import does not say whom it is shared with may be read, so written to, by everybody.
INSERT INTO user_group (id, name, code, public_access, owner, imported, created, last_updated)
SELECT s.id, s.name, s.code, CASE WHEN s.shared THEN s.public_access ELSE 'r-------' END, s.owner, true,
       COALESCE(s.created, now()), COALESCE(s.last_updated, now())
  FROM staged_group AS s
 WHERE NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = s.id);

-- groups_deleted --
DELETE FROM user_group AS g
 WHERE g.imported
   AND NOT EXISTS(SELECT FROM staged_group AS s WHERE s.id = g.id);

-- unknown_grantees --
-- People and groups that something is shared with and that are nowhere.
SELECT s.grantee_kind AS kind, s.grantee_id AS id, count(*) AS times
  FROM staged_grant AS s
 WHERE s.grantee_kind = 'user' AND NOT EXISTS(SELECT FROM account AS a WHERE a.id = s.grantee_id)
    OR s.grantee_kind = 'group' AND NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = s.grantee_id)
 GROUP BY s.grantee_kind, s.grantee_id
 ORDER BY s.grantee_kind, s.grantee_id;

-- grants_deleted --
-- Grants on groups whose sharing the import tells, and that it does not name any more.
DELETE FROM user_group_access AS g
 USING staged_group AS s
 WHERE s.id = g.group_id
   AND s.shared
   AND NOT EXISTS(SELECT
                    FROM staged_grant AS n
                   WHERE (n.group_id, n.grantee_kind, n.grantee_id) = (g.group_id, g.grantee_kind, g.grantee_id));

-- grants_updated --
UPDATE user_group_access AS g
   SET access = s.access
  FROM staged_grant AS s
 WHERE (s.group_id, s.grantee_kind, s.grantee_id) = (g.group_id, g.grantee_kind, g.grantee_id)
   AND s.access <> g.access;

-- grants_created --
INSERT INTO user_group_access (group_id, grantee_kind, grantee_id, access)
SELECT s.group_id, s.grantee_kind, s.grantee_id, s.access
  FROM staged_grant AS s
 WHERE (s.grantee_kind = 'user' AND EXISTS(SELECT FROM account AS a WHERE a.id = s.grantee_id)
        OR s.grantee_kind = 'group' AND EXISTS(SELECT FROM user_group AS g WHERE g.id = s.grantee_id))
    ON CONFLICT (group_id, grantee_kind, grantee_id) DO NOTHING;

-- unknown_links --
-- What memberships name and what is nowhere: people, roles, groups, units.
SELECT missing AS kind, id, count(*) AS times
  FROM (SELECT 'user' AS missing, l.user_id AS id
          FROM staged_link AS l
         WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = l.user_id)
         UNION ALL
        SELECT l.kind, l.holder
          FROM staged_link AS l
         WHERE l.kind = 'role' AND NOT EXISTS(SELECT FROM user_role AS r WHERE r.id = l.holder)
            OR l.kind = 'group' AND NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = l.holder)
            OR l.kind = 'unit' AND NOT EXISTS(SELECT FROM organisation_unit AS u WHERE u.id = l.holder)) AS unknown
 GROUP BY missing, id
 ORDER BY missing, id;

-- role_links_deleted --
DELETE FROM account_role AS m
 WHERE (m.role_id IN (SELECT id FROM staged_whole WHERE kind = 'role' AND side = 'holder')
        OR m.user_id IN (SELECT id FROM staged_whole WHERE kind = 'role' AND side = 'person'))
   AND NOT EXISTS(SELECT
                    FROM staged_link AS l
                   WHERE l.kind = 'role' AND l.holder = m.role_id AND l.user_id = m.user_id);

-- role_links_created --
INSERT INTO account_role (user_id, role_id)
SELECT DISTINCT l.user_id, l.holder
  FROM staged_link AS l
  JOIN account AS a ON a.id = l.user_id
  JOIN user_role AS r ON r.id = l.holder
 WHERE l.kind = 'role'
    ON CONFLICT (user_id, role_id) DO NOTHING;

-- group_links_deleted --
DELETE FROM user_group_member AS m
 WHERE (m.group_id IN (SELECT id FROM staged_whole WHERE kind = 'group' AND side = 'holder')
        OR m.user_id IN (SELECT id FROM staged_whole WHERE kind = 'group' AND side = 'person'))
   AND NOT EXISTS(SELECT
                    FROM staged_link AS l
                   WHERE l.kind = 'group' AND l.holder = m.group_id AND l.user_id = m.user_id);

-- group_links_created --
INSERT INTO user_group_member (group_id, user_id)
SELECT DISTINCT l.holder, l.user_id
  FROM staged_link AS l
  JOIN account AS a ON a.id = l.user_id
  JOIN user_group AS g ON g.id = l.holder
 WHERE l.kind = 'group'
    ON CONFLICT (group_id, user_id) DO NOTHING;

-- unit_links_deleted --
DELETE FROM organisation_unit_member AS m
 WHERE (m.unit_id IN (SELECT id FROM staged_whole WHERE kind = 'unit' AND side = 'holder')
        OR m.user_id IN (SELECT id FROM staged_whole WHERE kind = 'unit' AND side = 'person'))
   AND NOT EXISTS(SELECT
                    FROM staged_link AS l
                   WHERE l.kind = 'unit' AND l.holder = m.unit_id AND l.user_id = m.user_id);

-- unit_links_created --
INSERT INTO organisation_unit_member (unit_id, user_id)
SELECT DISTINCT l.holder, l.user_id
  FROM staged_link AS l
  JOIN account AS a ON a.id = l.user_id
  JOIN organisation_unit AS u ON u.id = l.holder
 WHERE l.kind = 'unit'
    ON CONFLICT (unit_id, user_id) DO NOTHING;

-- sweep --
-- After deletions: what still names the deleted.
DELETE FROM account_role AS m
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = m.user_id)
    OR NOT EXISTS(SELECT FROM user_role AS r WHERE r.id = m.role_id);
DELETE FROM user_group_member AS m
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = m.user_id)
    OR NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = m.group_id);
DELETE FROM organisation_unit_member AS m
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = m.user_id)
    OR NOT EXISTS(SELECT FROM organisation_unit AS u WHERE u.id = m.unit_id);
DELETE FROM user_group_access AS s
 WHERE NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = s.group_id)
    OR s.grantee_kind = 'user' AND NOT EXISTS(SELECT FROM account AS a WHERE a.id = s.grantee_id)
    OR s.grantee_kind = 'group' AND NOT EXISTS(SELECT FROM user_group AS g WHERE g.id = s.grantee_id);
DELETE FROM user_setting AS s
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = s.user_id);
UPDATE user_group AS g
   SET owner = NULL
 WHERE g.owner IS NOT NULL
   AND NOT EXISTS(SELECT FROM account AS a WHERE a.id = g.owner);
UPDATE organisation_unit AS u
   SET parent_id = NULL
 WHERE u.parent_id IS NOT NULL
   AND NOT EXISTS(SELECT FROM organisation_unit AS p WHERE p.id = u.parent_id);

-- departed --
-- People whose copies of conversations are still to be removed, who left first first.
SELECT user_id
  FROM departed
 ORDER BY since, user_id;

-- copies_removed --
--   $1 user ids[]
DELETE FROM departed
 WHERE user_id = ANY($1::text[]);
