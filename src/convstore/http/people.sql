-- What readers ask of the directory, through the query language and beside it.

-- users --
-- Everybody.
SELECT id, code, username, first_name, surname, email, phone_number, disabled, created, last_updated, last_login
  FROM account

-- groups --
-- The groups that the caller may see: by everybody's access, his own, his groups', or as their owner (contract 3.1).
--   $1 caller  $2 caller is superuser
SELECT g.id, g.code, g.name, g.public_access, g.created, g.last_updated
  FROM user_group AS g
 WHERE $2::boolean
    OR g.public_access LIKE 'r%'
    OR g.owner = $1
    OR EXISTS (SELECT
                 FROM user_group_access AS s
                WHERE s.group_id = g.id
                  AND s.access LIKE 'r%'
                  AND (s.grantee_kind = 'user' AND s.grantee_id = $1
                       OR s.grantee_kind = 'group'
                          AND s.grantee_id IN (SELECT m.group_id
                                                 FROM user_group_member AS m
                                                WHERE m.user_id = $1)))

-- units --
-- All units.
SELECT id, code, name, short_name, parent_id, path, level, created, last_updated
  FROM organisation_unit

-- roles_of_user --
SELECT m.user_id, r.id, r.code, r.name
  FROM account_role AS m
  JOIN user_role AS r ON r.id = m.role_id

-- groups_of_user --
SELECT m.user_id, g.id, g.code, g.name
  FROM user_group_member AS m
  JOIN user_group AS g ON g.id = m.group_id

-- units_of_user --
SELECT m.user_id, u.id, u.code, u.name, u.short_name, u.parent_id, u.path, u.level, u.created, u.last_updated
  FROM organisation_unit_member AS m
  JOIN organisation_unit AS u ON u.id = m.unit_id

-- users_of_group --
SELECT m.group_id, a.id, a.code, a.username, a.first_name, a.surname
  FROM user_group_member AS m
  JOIN account AS a ON a.id = m.user_id

-- users_of_unit --
SELECT m.unit_id, a.id, a.code, a.username, a.first_name, a.surname
  FROM organisation_unit_member AS m
  JOIN account AS a ON a.id = m.user_id

-- look_up --
-- The first 25 people whose name, e-mail address or username contains a text, disabled ones too.
--   $1 pattern  $2 members of this group only; NULL for everybody
SELECT id, username, first_name, surname
  FROM account AS a
 WHERE (first_name || ' ' || surname ~ $1 OR email ~ $1 OR username ~ $1)
   AND ($2::text IS NULL
        OR EXISTS (SELECT FROM user_group_member AS m WHERE m.group_id = $2 AND m.user_id = a.id))
 ORDER BY surname, first_name, id
 LIMIT 25

-- look_up_one --
-- One person by uid, else by uuid, else by username in any case.
--   $1 any of these
SELECT id, username, first_name, surname
  FROM account
 WHERE id = $1
    OR uuid::text = lower($1)
    OR lower(username) = lower($1)
 ORDER BY id = $1 DESC, uuid::text = lower($1) DESC
 LIMIT 1

-- setting --
--   $1 name
SELECT value
  FROM setting
 WHERE name = $1

-- user_settings --
-- A person's own settings.
--   $1 person
SELECT name, value
  FROM user_setting
 WHERE user_id = $1

-- set_user_setting --
--   $1 person  $2 name  $3 value
INSERT INTO user_setting (user_id, name, value)
VALUES ($1, $2, $3)
    ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value

-- drop_user_setting --
--   $1 person  $2 name
DELETE FROM user_setting
 WHERE user_id = $1
   AND name = $2
