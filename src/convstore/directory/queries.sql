-- revision --
-- How many times the directory has changed.
SELECT revision
  FROM directory_revision;

-- lock --
-- Be the only one who changes the directory until the end of the transaction.
SELECT revision
  FROM directory_revision
   FOR UPDATE;

-- announce --
-- Count a change, and tell all processes when it commits; the new revision.
--   $1 channel
WITH moved AS (
    UPDATE directory_revision
       SET revision = revision + 1
    RETURNING revision
)
SELECT revision
  FROM (SELECT revision, pg_notify($1, revision::text) FROM moved) AS told;

-- end_void_sessions --
-- End the sessions whose account is gone, is closed, or has another password than the one that opened them.
DELETE FROM session AS s
 WHERE NOT EXISTS(SELECT
                    FROM account AS a
                   WHERE a.id = s.user_id
                     AND NOT a.disabled
                     AND s.credential = sha256(convert_to(a.password_hash, 'UTF8')));

-- drop_orphaned_tokens --
-- Remove the tokens whose account is gone.
DELETE FROM api_token AS t
 WHERE NOT EXISTS(SELECT FROM account AS a WHERE a.id = t.user_id);

-- login --
-- What it takes to let somebody in.
--   $1 username, in any case
SELECT id, password_hash, disabled
  FROM account
 WHERE lower(username) = lower($1);

-- logged_in --
-- Note a login; at most one write an hour, for it is only to tell accounts that are used from those that are not.
--   $1 user id
UPDATE account
   SET last_login = now()
 WHERE id = $1
   AND (last_login IS NULL OR last_login < now() - interval '1 hour');

-- rehash --
-- Replace the hash of a password that has just been verified, unless it was changed meanwhile. It is the same password
-- still, so the sessions that it opened stay.
--   $1 user id  $2 hash verified  $3 new hash
WITH kept AS (
    UPDATE session
       SET credential = sha256(convert_to($3, 'UTF8'))
     WHERE user_id = $1
       AND credential = sha256(convert_to($2, 'UTF8'))
)
UPDATE account
   SET password_hash = $3
 WHERE id = $1
   AND password_hash = $2;

-- person --
-- One person with all his rights.
--   $1 user id
SELECT a.id, a.username, a.first_name, a.surname, a.code, a.email, a.phone_number, a.disabled,
       ARRAY(SELECT DISTINCT authority
               FROM account_role AS ar
               JOIN user_role AS r ON r.id = ar.role_id,
                    unnest(r.authorities) AS authority
              WHERE ar.user_id = a.id) AS authorities,
       ARRAY(SELECT m.group_id FROM user_group_member AS m WHERE m.user_id = a.id) AS groups,
       ARRAY(SELECT m.unit_id FROM organisation_unit_member AS m WHERE m.user_id = a.id) AS units,
       EXISTS(SELECT
                FROM setting AS s
                JOIN user_group_member AS m ON m.group_id = s.value AND m.user_id = a.id
               WHERE s.name = 'feedbackRecipients') AS in_feedback_group
  FROM account AS a
 WHERE a.id = $1;

-- exists --
--   $1 user id
SELECT EXISTS(SELECT FROM account WHERE id = $1);

-- called --
-- What people are called; a row each of those that there are.
--   $1 user ids[]
SELECT id, code, username, first_name, surname
  FROM account
 WHERE id = ANY($1::text[]);

-- resolve --
-- Whom recipients stand for: a row per unit and per group found, with its direct members, and one row with the users
-- found. A group is found when the caller may read it: by everybody's access, his own, his groups', or as its owner.
--   $1 unit ids[]  $2 user ids[]  $3 group ids[]  $4 caller  $5 caller is superuser
SELECT 'unit' AS kind, u.id,
       ARRAY(SELECT m.user_id FROM organisation_unit_member AS m WHERE m.unit_id = u.id ORDER BY m.user_id) AS people
  FROM organisation_unit AS u
 WHERE u.id = ANY($1::text[])
 UNION ALL
SELECT 'user', NULL,
       ARRAY(SELECT a.id FROM account AS a WHERE a.id = ANY($2::text[]))
 UNION ALL
SELECT 'group', g.id,
       ARRAY(SELECT m.user_id FROM user_group_member AS m WHERE m.group_id = g.id ORDER BY m.user_id)
  FROM user_group AS g
 WHERE g.id = ANY($3::text[])
   AND ($5
        OR g.public_access LIKE 'r%'
        OR g.owner = $4
        OR EXISTS(SELECT
                    FROM user_group_access AS s
                   WHERE s.group_id = g.id
                     AND s.access LIKE 'r%'
                     AND (s.grantee_kind = 'user' AND s.grantee_id = $4
                          OR s.grantee_kind = 'group'
                             AND s.grantee_id IN (SELECT m.group_id
                                                    FROM user_group_member AS m
                                                   WHERE m.user_id = $4))));

-- feedback_group --
-- The group whose members get the tickets: no row when none is set, or when it is gone.
SELECT g.id
  FROM setting AS s
  JOIN user_group AS g ON g.id = s.value
 WHERE s.name = 'feedbackRecipients';

-- feedback_members --
-- The members of that group.
SELECT m.user_id
  FROM setting AS s
  JOIN user_group_member AS m ON m.group_id = s.value
 WHERE s.name = 'feedbackRecipients'
 ORDER BY m.user_id;

-- superusers --
-- Everybody who may do everything.
SELECT DISTINCT ar.user_id
  FROM user_role AS r
  JOIN account_role AS ar ON ar.role_id = r.id
 WHERE 'ALL' = ANY(r.authorities);

-- group_exists --
--   $1 group id
SELECT EXISTS(SELECT FROM user_group WHERE id = $1);

-- set_setting --
--   $1 name  $2 value
INSERT INTO setting (name, value)
VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- drop_setting --
--   $1 name
DELETE FROM setting WHERE name = $1;
