-- create --
-- Make a token; those of this account that have expired go. No row when it has too many already.
--   $1 id  $2 token hash  $3 user id  $4 name  $5 hint  $6 scopes[]  $7 methods[] or NULL  $8 expires  $9 most of them
WITH swept AS (
    DELETE FROM api_token
     WHERE user_id = $3
       AND expires <= now()
)
INSERT INTO api_token (id, token_hash, user_id, name, hint, scopes, methods, expires)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
 WHERE (SELECT count(*) FROM api_token WHERE user_id = $3 AND expires > now()) < $9
RETURNING id, user_id, name, hint, scopes, methods, created, expires, last_used;

-- find --
-- The token, if it may be used; and for how many seconds.
--   $1 token hash
SELECT id, user_id, name, hint, scopes, methods, created, expires, last_used,
       extract(epoch FROM expires - now())::float8 AS seconds
  FROM api_token
 WHERE token_hash = $1
   AND expires > now();

-- used --
-- Note that a token was used; at most one write an hour, for it is only to tell tokens in use from forgotten ones.
--   $1 id
UPDATE api_token
   SET last_used = now()
 WHERE id = $1
   AND (last_used IS NULL OR last_used < now() - interval '1 hour');

-- of_account --
-- The tokens of an account, newest first, the expired ones too.
--   $1 user id
SELECT id, user_id, name, hint, scopes, methods, created, expires, last_used
  FROM api_token
 WHERE user_id = $1
 ORDER BY created DESC, id;

-- listed --
-- All tokens with the names of their accounts, by account, newest first; of one account when it is named.
--   $1 username in any case, or NULL
SELECT t.id, t.user_id, t.name, t.hint, t.scopes, t.methods, t.created, t.expires, t.last_used, a.username
  FROM api_token AS t
  JOIN account AS a ON a.id = t.user_id
 WHERE $1::text IS NULL
    OR lower(a.username) = lower($1)
 ORDER BY lower(a.username), t.created DESC, t.id;

-- revoke --
-- End tokens, and tell all processes; the ids of those that there were.
--   $1 token ids[]  $2 user id whose they must be, or NULL  $3 channel
WITH gone AS (
    DELETE FROM api_token
     WHERE id = ANY($1::text[])
       AND ($2::text IS NULL OR user_id = $2)
    RETURNING id, token_hash
)
SELECT id, pg_notify($3, encode(token_hash, 'hex'))
  FROM gone;
