-- Durable subscriptions: made and read, shared out to consumers, acknowledged; see migrations/0008.

-- create --
-- Make a subscription; no row when there is one of this name.
--   $1 name  $2 user id  $3 types[]  $4 conversation or NULL  $5 own  $6 texts  $7 internal  $8 lease
INSERT INTO subscription (name, user_id, types, conversation, own, texts, internal, lease)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (name) DO NOTHING
RETURNING name, user_id, types, conversation, own, texts, internal, lease, created;

-- of_account --
-- How many subscriptions an account has.
--   $1 user id
SELECT count(*)
  FROM subscription
 WHERE user_id = $1;

-- create_slots --
--   $1 name  $2 how many
INSERT INTO subscription_slot (name, slot)
SELECT $1, slot
  FROM generate_series(0, $2::int - 1) AS slot;

-- place_all --
-- Put all slots of a subscription at these positions, by partition, and let nobody have any of them.
--   $1 name  $2 position[], one for each partition
WITH taken AS (
    UPDATE subscription_slot
       SET owner = '',
           epoch = epoch + 1
     WHERE name = $1
    RETURNING slot
)
INSERT INTO subscription_place (name, partition, slot, position)
SELECT $1, p.nth - 1, t.slot, p.position
  FROM taken AS t
 CROSS JOIN unnest($2::bigint[]) WITH ORDINALITY AS p (position, nth)
ON CONFLICT (name, partition, slot) DO UPDATE
   SET position = excluded.position;

-- check_in --
-- Note the positions that a subscription stands at, with the log that they are places of.
--   $1 name  $2 position[], one for each partition
INSERT INTO subscription_checkpoint (name, partition, position, hash)
SELECT $1, p.nth - 1, p.position,
       coalesce((SELECT b.hash
                   FROM batch AS b
                  WHERE b.partition = p.nth - 1
                    AND b.last_position >= p.position
                    AND p.position > 0
                  ORDER BY b.last_position
                  LIMIT 1), '\x')
  FROM unnest($2::bigint[]) WITH ORDINALITY AS p (position, nth)
ON CONFLICT (name, partition) DO UPDATE
   SET position = excluded.position,
       hash     = excluded.hash;

-- drop_letters --
--   $1 name
DELETE FROM subscription_dead_letter
 WHERE name = $1;

-- get --
--   $1 name
SELECT name, user_id, types, conversation, own, texts, internal, lease, created
  FROM subscription
 WHERE name = $1;

-- listed --
-- All subscriptions, or those of one account.
--   $1 user id, or NULL
SELECT name, user_id, types, conversation, own, texts, internal, lease, created
  FROM subscription
 WHERE $1::text IS NULL
    OR user_id = $1
 ORDER BY name;

-- delete --
--   $1 name
DELETE FROM subscription
 WHERE name = $1
RETURNING name;

-- alive --
-- Note that a consumer is there, for so many seconds more; no write when that was noted a moment ago.
--   $1 name  $2 consumer  $3 seconds
INSERT INTO subscription_consumer AS c (name, consumer, alive_until)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3::float8))
ON CONFLICT (name, consumer) DO UPDATE
   SET alive_until = excluded.alive_until
 WHERE c.alive_until < clock_timestamp() + make_interval(secs => $3::float8 * 2 / 3);

-- sweep --
-- Forget the consumers that have been gone for long.
--   $1 name
DELETE FROM subscription_consumer
 WHERE name = $1
   AND alive_until < clock_timestamp() - interval '1 hour';

-- slots --
-- All slots of a subscription: whose each is, whether that is somebody who is there; and everybody who is there.
--   $1 name
WITH alive AS (
    SELECT consumer
      FROM subscription_consumer
     WHERE name = $1
       AND alive_until > clock_timestamp()
)
SELECT s.slot, s.owner, s.epoch, s.owner NOT IN (SELECT consumer FROM alive) AS free,
       ARRAY(SELECT consumer FROM alive ORDER BY consumer) AS alive
  FROM subscription_slot AS s
 WHERE s.name = $1
 ORDER BY s.slot;

-- take --
-- Take slots that have not changed hands since they were looked at.
--   $1 name  $2 consumer, or '' to give them back  $3 slot[]  $4 epoch[]
UPDATE subscription_slot AS s
   SET owner = $2,
       epoch = s.epoch + 1
  FROM unnest($3::int[], $4::bigint[]) AS w (slot, epoch)
 WHERE s.name = $1
   AND s.slot = w.slot
   AND s.epoch = w.epoch
RETURNING s.slot, s.epoch;

-- give_back --
-- Give all slots of a consumer back.
--   $1 name  $2 consumer
UPDATE subscription_slot
   SET owner = '',
       epoch = epoch + 1
 WHERE name = $1
   AND owner = $2;

-- gone --
-- Note that a consumer is not there any more.
--   $1 name  $2 consumer
DELETE FROM subscription_consumer
 WHERE name = $1
   AND consumer = $2;

-- places --
-- Where these slots stand, by partition.
--   $1 name  $2 slot[]
SELECT partition, slot, position
  FROM subscription_place
 WHERE name = $1
   AND slot = ANY ($2::int[]);

-- history --
-- What a subscription stands on beside what the log has there, where they differ: the log was restored from a backup, or
-- lost its end in a failover.
--   $1 name
SELECT c.partition, c.position, h.position AS head
  FROM subscription_checkpoint AS c
  JOIN head AS h
    ON h.partition = c.partition
 WHERE c.name = $1
   AND c.position > 0
   AND c.hash IS DISTINCT FROM (SELECT b.hash
                                  FROM batch AS b
                                 WHERE b.partition = c.partition
                                   AND b.last_position >= c.position
                                 ORDER BY b.last_position
                                 LIMIT 1);

-- held --
-- Which of these slots are still this consumer's, of the same epoch; locked, so that they stay so until the end of the
-- transaction.
--   $1 name  $2 consumer  $3 slot[]  $4 epoch[]
SELECT s.slot, s.epoch
  FROM subscription_slot AS s
  JOIN unnest($3::int[], $4::bigint[]) AS w (slot, epoch)
    ON w.slot = s.slot
   AND w.epoch = s.epoch
 WHERE s.name = $1
   AND s.owner = $2
 ORDER BY s.slot
   FOR SHARE OF s;

-- move --
-- Move places forward: everything up to there was dealt with. Not beyond the end of the log.
--   $1 name  $2 slot[]  $3 partition[]  $4 position[]
UPDATE subscription_place AS p
   SET position = m.position
  FROM unnest($2::int[], $3::int[], $4::bigint[]) AS m (slot, partition, position)
  JOIN head AS h
    ON h.partition = m.partition
 WHERE p.name = $1
   AND p.slot = m.slot
   AND p.partition = m.partition
   AND p.position < m.position
   AND m.position <= h.position;

-- check_out --
-- Move the checkpoints forward to what was reached, with the log that they are places of.
--   $1 name  $2 partition[]  $3 position[]
UPDATE subscription_checkpoint AS c
   SET position = m.position,
       hash     = b.hash
  FROM (SELECT partition, max(position) AS position
          FROM unnest($2::int[], $3::bigint[]) AS m (partition, position)
         GROUP BY partition) AS m
 CROSS JOIN LATERAL (
           SELECT b.hash
             FROM batch AS b
            WHERE b.partition = m.partition
              AND b.last_position >= m.position
            ORDER BY b.last_position
            LIMIT 1
       ) AS b
 WHERE c.name = $1
   AND c.partition = m.partition
   AND c.position < m.position;

-- bury --
-- Note why an event could not be dealt with; once more, when it is a dead letter already.
--   $1 name  $2 slot  $3 partition  $4 position  $5 reason
INSERT INTO subscription_dead_letter AS d (name, slot, partition, position, stream, version, type, reason)
SELECT $1, $2, e.partition, e.position, e.stream, e.version, e.type, $5
  FROM event AS e
 WHERE e.partition = $3
   AND e.position = $4
ON CONFLICT (name, partition, position) DO UPDATE
   SET reason    = excluded.reason,
       attempts  = d.attempts + 1,
       failed_at = excluded.failed_at,
       due       = false;

-- bury_again --
-- Note that a dead letter could not be dealt with once more.
--   $1 name  $2 id  $3 slot  $4 reason
UPDATE subscription_dead_letter
   SET reason    = $4,
       attempts  = attempts + 1,
       failed_at = clock_timestamp(),
       due       = false
 WHERE name = $1
   AND id = $2
   AND slot = $3;

-- due_letters --
-- Dead letters that are to be given once more, of these slots, oldest first.
--   $1 name  $2 slot[]  $3 at most
SELECT id, slot, partition, position
  FROM subscription_dead_letter
 WHERE name = $1
   AND slot = ANY ($2::int[])
   AND due
 ORDER BY id
 LIMIT $3;

-- settle --
-- Forget dead letters that were dealt with.
--   $1 name  $2 id[]  $3 slot[], that of each
DELETE FROM subscription_dead_letter AS d
 USING unnest($2::bigint[], $3::int[]) AS s (id, slot)
 WHERE d.name = $1
   AND d.id = s.id
   AND d.slot = s.slot;

-- letters --
-- The dead letters of a subscription after one of them, oldest first.
--   $1 name  $2 after id  $3 at most
SELECT id, partition, position, stream, version, type, reason, attempts, failed_at, due
  FROM subscription_dead_letter
 WHERE name = $1
   AND id > $2
 ORDER BY id
 LIMIT $3;

-- redeliver --
-- Have dead letters given once more; all of them, when none is named. One row for each.
--   $1 name  $2 id[], or NULL
UPDATE subscription_dead_letter
   SET due = true
 WHERE name = $1
   AND ($2::bigint[] IS NULL OR id = ANY ($2))
RETURNING id;

-- discard --
-- Forget dead letters; all of them, when none is named. One row for each.
--   $1 name  $2 id[], or NULL
DELETE FROM subscription_dead_letter
 WHERE name = $1
   AND ($2::bigint[] IS NULL OR id = ANY ($2))
RETURNING id;

-- standings --
-- Where subscriptions stand. behind: positions of the log from the slot that is furthest back to the end; oldest: since
-- when the first event after that place has been there, in seconds. Both count events that are not chosen, too.
--   $1 user id, or NULL for all  $2 name, or NULL for all
SELECT s.name, s.user_id, s.types, s.conversation, s.own, s.texts, s.internal, s.lease, s.created,
       coalesce(b.behind, 0)::bigint AS behind, coalesce(b.oldest, 0)::float8 AS oldest, b.positions,
       (SELECT count(*) FROM subscription_dead_letter AS d WHERE d.name = s.name) AS dead,
       ARRAY(SELECT c.consumer
               FROM subscription_consumer AS c
              WHERE c.name = s.name
                AND c.alive_until > clock_timestamp()
              ORDER BY c.consumer) AS consumers,
       EXISTS (SELECT
                 FROM subscription_checkpoint AS c
                WHERE c.name = s.name
                  AND c.position > 0
                  AND c.hash IS DISTINCT FROM (SELECT b.hash
                                                 FROM batch AS b
                                                WHERE b.partition = c.partition
                                                  AND b.last_position >= c.position
                                                ORDER BY b.last_position
                                                LIMIT 1)) AS ahead
  FROM subscription AS s
  LEFT JOIN LATERAL (
           SELECT sum(h.position - l.position) AS behind,
                  max(extract(epoch FROM clock_timestamp() - e.recorded_at)) AS oldest,
                  array_agg(l.position ORDER BY l.partition) AS positions
             FROM (SELECT p.partition, min(p.position) AS position
                     FROM subscription_place AS p
                    WHERE p.name = s.name
                    GROUP BY p.partition) AS l
             JOIN head AS h
               ON h.partition = l.partition
             LEFT JOIN event AS e
               ON e.partition = l.partition
              AND e.position = l.position + 1
       ) AS b
    ON true
 WHERE ($1::text IS NULL OR s.user_id = $1)
   AND ($2::text IS NULL OR s.name = $2)
 ORDER BY s.name;
