-- username_taken --
--   $1 username
SELECT EXISTS(SELECT FROM account WHERE lower(username) = lower($1));

-- group_called --
-- The groups that a name, a code or a uid stands for.
--   $1 name, code or uid
SELECT id
  FROM user_group
 WHERE $1 IN (id, name, code);

-- unit_called --
-- The units that a name, a code or a uid stands for.
--   $1 name, code or uid
SELECT id
  FROM organisation_unit
 WHERE $1 IN (id, name, code);

-- add --
--   $1 id  $2 username  $3 first name  $4 surname  $5 email  $6 phone number  $7 password hash or NULL
--   $8 words of the name[]
INSERT INTO account (id, username, first_name, surname, email, phone_number, password_hash, name_words, uuid)
VALUES ($1, $2, $3, $4, $5, $6, $7, array_to_tsvector($8::text[]), gen_random_uuid());

-- add_role --
-- A role for accounts made here, once.
--   $1 id  $2 name  $3 authorities[]
INSERT INTO user_role (id, name, authorities)
VALUES ($1, $2, $3::text[])
    ON CONFLICT (id) DO NOTHING;

-- add_to_role --
--   $1 user id  $2 role id
INSERT INTO account_role (user_id, role_id)
VALUES ($1, $2);

-- add_to_groups --
--   $1 user id  $2 group ids[]
INSERT INTO user_group_member (user_id, group_id)
SELECT $1, unnest($2::text[]);

-- add_to_units --
--   $1 user id  $2 unit ids[]
INSERT INTO organisation_unit_member (user_id, unit_id)
SELECT $1, unnest($2::text[]);

-- set_password --
--   $1 username, in any case  $2 password hash
UPDATE account
   SET password_hash = $2,
       last_updated = now()
 WHERE lower(username) = lower($1)
RETURNING id;

-- set_disabled --
--   $1 username, in any case  $2 disabled
UPDATE account
   SET disabled = $2,
       last_updated = now()
 WHERE lower(username) = lower($1)
RETURNING id;

-- find --
--   $1 username, in any case
SELECT id
  FROM account
 WHERE lower(username) = lower($1);

-- listed --
-- All accounts, by username.
SELECT a.id, a.username, a.first_name, a.surname, a.email, a.phone_number, a.disabled, a.imported, a.last_login,
       a.password_hash IS NOT NULL AS may_log_in,
       ARRAY(SELECT g.name
               FROM user_group_member AS m
               JOIN user_group AS g ON g.id = m.group_id
              WHERE m.user_id = a.id
              ORDER BY g.name) AS groups,
       EXISTS(SELECT
                FROM account_role AS ar
                JOIN user_role AS r ON r.id = ar.role_id
               WHERE ar.user_id = a.id
                 AND 'ALL' = ANY(r.authorities)) AS superuser
  FROM account AS a
 ORDER BY lower(a.username);
