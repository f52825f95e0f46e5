-- open --
-- Open a session for somebody who has just shown his password. No row when that is not his password any more, or when
-- his account was closed meanwhile.
--   $1 token hash  $2 user id  $3 password hash that was verified  $4 how long it lasts unused, seconds
INSERT INTO session (token_hash, user_id, credential, idle, expires)
SELECT $1, a.id, sha256(convert_to(a.password_hash, 'UTF8')), make_interval(secs => $4),
       now() + make_interval(secs => $4)
  FROM account AS a
 WHERE a.id = $2
   AND a.password_hash = $3
   AND NOT a.disabled
RETURNING user_id;

-- sweep --
-- Remove what nobody can use any more, some at a time, and what goes beyond so many sessions of one account.
--   $1 user id  $2 most sessions of an account  $3 most expired ones at a time
DELETE FROM session
 WHERE token_hash = ANY(ARRAY(SELECT token_hash FROM session WHERE expires <= now() ORDER BY expires LIMIT $3))
    OR token_hash = ANY(ARRAY(SELECT token_hash
                                FROM session
                               WHERE user_id = $1
                               ORDER BY last_seen DESC, created DESC
                              OFFSET $2));

-- find --
-- Whose session this is, and for how many seconds that may be relied on without looking again: not until it ends, or
-- else nobody would note that it is in use. stale: it is worth a write that it was used.
--   $1 token hash
SELECT s.user_id,
       extract(epoch FROM least(s.expires - now(), s.idle / 12))::float8 AS seconds,
       s.last_seen < now() - least(s.idle / 12, interval '5 minutes') AS stale
  FROM session AS s
  JOIN account AS a ON a.id = s.user_id
 WHERE s.token_hash = $1
   AND s.expires > now()
   AND NOT a.disabled
   AND s.credential = sha256(convert_to(a.password_hash, 'UTF8'));

-- lasts --
-- For how many seconds a session lasts if it is not used; no row when it has ended. Asking this is no use of it.
--   $1 token hash
SELECT extract(epoch FROM s.expires - now())::float8
  FROM session AS s
  JOIN account AS a ON a.id = s.user_id
 WHERE s.token_hash = $1
   AND s.expires > now()
   AND NOT a.disabled
   AND s.credential = sha256(convert_to(a.password_hash, 'UTF8'));

-- touch --
-- Note that a session is in use: it lasts on, but never longer than 30 days in all. For how many seconds that may be
-- relied on; no row when it was ended meanwhile.
--   $1 token hash
UPDATE session
   SET last_seen = now(),
       expires = least(now() + idle, created + interval '30 days')
 WHERE token_hash = $1
RETURNING extract(epoch FROM least(expires - now(), idle / 12))::float8;

-- close --
-- End a session, and tell all processes.
--   $1 token hash  $2 channel
WITH ended AS (
    DELETE FROM session
     WHERE token_hash = $1
    RETURNING token_hash
)
SELECT pg_notify($2, encode(token_hash, 'hex'))
  FROM ended;
