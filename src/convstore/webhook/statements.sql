-- Where events are pushed to, and how that goes; see migrations/0010.

-- put --
-- Say where the events of a subscription are pushed to. What was tried in vain there before does not count any more.
--   $1 name  $2 url  $3 headers, a JSON object  $4 secret[]
WITH forgotten AS (
    DELETE FROM webhook_try
     WHERE name = $1
)
INSERT INTO webhook (name, url, headers, secrets)
VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
   SET url         = excluded.url,
       headers     = excluded.headers,
       secrets     = excluded.secrets,
       revision    = webhook.revision + 1,
       paused      = NULL,
       paused_at   = NULL;

-- listed --
-- All webhooks, or one of them, each with how it goes. failing: slots that stand at an event that
-- was tried in vain; attempts, since and reason: of the one that has stood longest.
--   $1 name, or NULL for all
SELECT w.name, s.user_id, s.created AS followed_since, w.url, w.headers, w.secrets, w.revision, w.created, w.paused, w.paused_at,
       w.trouble, w.troubled_at, coalesce(t.failing, 0)::int AS failing, coalesce(t.attempts, 0)::int AS attempts,
       t.since, t.reason
  FROM webhook AS w
  JOIN subscription AS s
    ON s.name = w.name
  LEFT JOIN LATERAL (
           SELECT count(*) AS failing,
                  max(f.attempts) AS attempts,
                  min(f.began) AS since,
                  (array_agg(f.reason ORDER BY f.began, f.slot))[1] AS reason
             FROM webhook_try AS f
            WHERE f.name = w.name
       ) AS t
    ON true
 WHERE $1::text IS NULL
    OR w.name = $1
 ORDER BY w.name;

-- delete --
-- Push the events of a subscription nowhere any more.
--   $1 name
DELETE FROM webhook
 WHERE name = $1
RETURNING name;

-- sign_with --
-- Set the secrets that requests are signed with.
--   $1 name  $2 secret[], the newest first
UPDATE webhook
   SET secrets = $2
 WHERE name = $1
RETURNING name;

-- pause --
-- Push nothing for the time being; the reason of one that is paused already stays. Only while it is pushed to this
-- address, if one is named: another one has not said anything yet.
--   $1 name  $2 reason  $3 url, or NULL
UPDATE webhook
   SET paused_at = CASE WHEN paused IS NULL THEN now() ELSE paused_at END,
       paused    = coalesce(paused, $2)
 WHERE name = $1
   AND ($3::text IS NULL OR url = $3)
RETURNING name;

-- resume --
-- Push again, at once, and as if nothing had been tried yet.
--   $1 name
WITH forgotten AS (
    DELETE FROM webhook_try
     WHERE name = $1
)
UPDATE webhook
   SET revision  = revision + 1,
       paused    = NULL,
       paused_at = NULL
 WHERE name = $1
RETURNING name;

-- note_trouble --
-- Note why nothing can be pushed, or that there is no such reason any more.
--   $1 name  $2 trouble or NULL
UPDATE webhook
   SET trouble     = $2,
       troubled_at = CASE WHEN $2::text IS NOT NULL THEN now() END
 WHERE name = $1
   AND trouble IS DISTINCT FROM $2;

-- tries --
-- What these slots stand at; seconds: until it is due, and since it was first tried.
--   $1 name  $2 slot[]
SELECT slot, partition, position, attempts,
       extract(epoch FROM due - clock_timestamp())::float8 AS pause,
       extract(epoch FROM clock_timestamp() - began)::float8 AS age
  FROM webhook_try
 WHERE name = $1
   AND slot = ANY ($2::int[]);

-- note_try --
-- Note that an event was tried in vain once more. Nothing is noted of a webhook that is not there any more.
--   $1 name  $2 slot  $3 partition  $4 position  $5 attempts  $6 seconds until it is due  $7 reason
INSERT INTO webhook_try AS t (name, slot, partition, position, attempts, due, reason)
SELECT w.name, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6::float8), $7
  FROM webhook AS w
 WHERE w.name = $1
ON CONFLICT (name, slot) DO UPDATE
   SET partition = excluded.partition,
       position  = excluded.position,
       attempts  = excluded.attempts,
       began     = CASE
                       WHEN (t.partition, t.position) = (excluded.partition, excluded.position)
                       THEN t.began
                       ELSE excluded.began
                   END,
       due       = excluded.due,
       reason    = excluded.reason;

-- forget_try --
-- Note that a slot goes on.
--   $1 name  $2 slot
DELETE FROM webhook_try
 WHERE name = $1
   AND slot = $2;
