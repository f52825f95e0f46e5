-- Checkpoints: how far a read model has come in a partition, on which history, and which process may move it.

-- look --
-- All checkpoints of these read models with what there is to know about them, for status and for waiting.
-- lag: seconds since the next event was recorded; NULL when there is none. lease: seconds that are left of it.
--   $1 projection[]
SELECT c.projection, c.partition, c.position, c.owner, c.epoch, c.stopped, c.ready, c.trouble, c.troubled_at,
       h.position AS head,
       c.lease_until < clock_timestamp() AS lease_over,
       CASE WHEN isfinite(c.lease_until)
            THEN extract(epoch FROM c.lease_until - clock_timestamp())::float8
       END AS lease,
       extract(epoch FROM clock_timestamp() - e.recorded_at)::float8 AS lag, clock_timestamp() AS now
  FROM checkpoint c
  JOIN head h
    ON h.partition = c.partition
  LEFT JOIN event e
    ON e.partition = c.partition
   AND e.position = c.position + 1
 WHERE c.projection = ANY ($1::text[])
 ORDER BY c.projection, c.partition;

-- acquire --
-- Takes the leases of a partition's checkpoints that stand at these positions, if they are free: never held, given back,
-- run out, or ours. The new epoch keeps out whoever had it before. A row that is locked belongs to somebody at work. What
-- stood still is tried again: whoever must not try does not ask.
--   $1 projection[]  $2 partition  $3 position[]  $4 owner  $5 lease in seconds
UPDATE checkpoint AS c
   SET owner       = $4,
       epoch       = c.epoch + 1,
       lease_until = clock_timestamp() + make_interval(secs => $5::float8),
       stopped     = NULL,
       ready       = c.ready
                  OR c.position >= (SELECT h.position
                                      FROM head h
                                     WHERE h.partition = $2)
  FROM (SELECT f.projection, f.partition, w.position
          FROM unnest($1::text[], $3::bigint[]) AS w (projection, position)
          JOIN checkpoint AS f
            ON f.projection = w.projection
           AND f.partition = $2
         ORDER BY f.projection
           FOR UPDATE OF f SKIP LOCKED) AS free
 WHERE c.projection = free.projection
   AND c.partition = free.partition
   AND c.position = free.position
   AND (c.owner IN ('', $4) OR c.lease_until < clock_timestamp())
RETURNING c.projection, c.position, c.epoch;

-- history --
-- What a checkpoint stands on, beside what the log has there: they differ when the log was restored from a backup, or
-- lost its end in a failover.
--   $1 projection  $2 partition
SELECT c.position, c.hash, h.position AS head,
       (SELECT b.hash
          FROM batch b
         WHERE b.partition = c.partition
           AND b.last_position >= c.position
         ORDER BY b.last_position
         LIMIT 1) AS log_hash
  FROM checkpoint c
  JOIN head h
    ON h.partition = c.partition
 WHERE c.projection = $1
   AND c.partition = $2;

-- move --
-- Moves checkpoints that stand at the same position forward and renews their leases; not those that somebody else has
-- taken over, or that stood on another log. Runs first in its transaction: the lock on a row keeps any other runner out
-- until the end of it.
--   $1 projection[]  $2 partition  $3 position now  $4 position then  $5 epoch[]  $6 lease in seconds
UPDATE checkpoint AS c
   SET position    = $4,
       hash        = (SELECT b.hash
                        FROM batch b
                       WHERE b.partition = $2
                         AND b.last_position >= $4
                       ORDER BY b.last_position
                       LIMIT 1),
       lease_until = clock_timestamp() + make_interval(secs => $6::float8),
       moved_at    = clock_timestamp(),
       ready       = c.ready
                  OR $4 >= (SELECT h.position
                              FROM head h
                             WHERE h.partition = $2)
  FROM unnest($1::text[], $5::bigint[]) AS m (projection, epoch)
 WHERE c.projection = m.projection
   AND c.partition = $2
   AND c.position = $3
   AND c.epoch = m.epoch
   AND (c.position = 0
        OR c.hash = (SELECT b.hash
                       FROM batch b
                      WHERE b.partition = $2
                        AND b.last_position >= $3
                      ORDER BY b.last_position
                      LIMIT 1))
RETURNING c.projection;

-- stop --
-- Notes why a read model stands still in a partition.
--   $1 projection  $2 partition  $3 epoch  $4 reason
UPDATE checkpoint
   SET stopped = $4
 WHERE projection = $1
   AND partition = $2
   AND epoch = $3;

-- resume --
-- Lets a read model try again where it stands still, whoever runs it.
--   $1 projection
UPDATE checkpoint
   SET stopped = NULL
 WHERE projection = $1
   AND stopped IS NOT NULL;

-- release --
-- Gives all leases of a process back, so that another may take over at once.
--   $1 owner
UPDATE checkpoint
   SET owner       = '',
       lease_until = '-infinity'
 WHERE owner = $1;

-- skips --
-- The events that a read model was told to leave out in a partition.
--   $1 projection  $2 partition
SELECT position
  FROM projection_skip
 WHERE projection = $1
   AND partition = $2;

-- skip --
-- Notes that a read model is to leave out the event it stands still before; nothing when it does not stand there.
--   $1 projection  $2 partition  $3 position  $4 by whom  $5 why it may be left out
INSERT INTO projection_skip (projection, partition, position, stream, version, type, reason, skipped_by, note)
SELECT c.projection, c.partition, e.position, e.stream, e.version, e.type, c.stopped, $4, $5
  FROM checkpoint c
  JOIN event e
    ON e.partition = c.partition
   AND e.position = c.position + 1
 WHERE c.projection = $1
   AND c.partition = $2
   AND e.position = $3
   AND c.stopped IS NOT NULL
RETURNING position;

-- resume_at --
-- Lets a read model go on in one partition.
--   $1 projection  $2 partition
UPDATE checkpoint
   SET stopped = NULL
 WHERE projection = $1
   AND partition = $2;

-- note_trouble --
-- Notes what went wrong with read models in a partition and went away by itself, for whoever looks later.
--   $1 projection[]  $2 partition  $3 what
UPDATE checkpoint
   SET trouble     = $3,
       troubled_at = clock_timestamp()
 WHERE projection = ANY ($1::text[])
   AND partition = $2;

-- make_checkpoints --
-- Checkpoints of a read model at the beginning of the log, in each partition that has none; ready where that is the end.
--   $1 projection
INSERT INTO checkpoint (projection, partition, ready)
SELECT $1, partition, position = 0
  FROM head
ON CONFLICT DO NOTHING;

-- name_tables --
-- Notes which tables belong to a version of a read model.
--   $1 projection  $2 table[]
INSERT INTO projection_table (projection, name)
SELECT $1, unnest($2::text[])
ON CONFLICT (name) DO UPDATE
   SET projection = excluded.projection;

-- place --
-- Which event stands at a position: to name one that cannot be decoded.
--   $1 partition  $2 position
SELECT stream, version, type
  FROM event
 WHERE partition = $1
   AND position = $2;

-- readers_indexes --
-- The indexes of a schema's tables that enforce nothing and that no statement of the read model needs.
--   $1 schema  $2 names of those it needs[]
SELECT i.relname AS name, pg_get_indexdef(x.indexrelid) AS definition
  FROM pg_index x
  JOIN pg_class i
    ON i.oid = x.indexrelid
  JOIN pg_namespace n
    ON n.oid = i.relnamespace
 WHERE n.nspname = $1
   AND NOT x.indisunique
   AND i.relname <> ALL ($2::text[])
 ORDER BY i.relname;

-- live_positions --
-- How far the live read model has come in each partition. The schema is named, for a rebuild has checkpoints of its own.
--   $1 projection
SELECT partition, position, ready
  FROM convstore.checkpoint
 WHERE projection = $1;

-- hold_live --
-- The same, and nobody moves them before the end of the transaction.
--   $1 projection
SELECT partition, position
  FROM convstore.checkpoint
 WHERE projection = $1
 ORDER BY partition
   FOR UPDATE;

-- old_readers --
-- How many transactions have a snapshot and began by this time, but for rebuilds and those who wait for this process.
--   $1 time  $2 process id
SELECT count(*)
  FROM pg_stat_activity AS a
 WHERE a.datname = current_database()
   AND a.backend_type = 'client backend'
   AND a.backend_xmin IS NOT NULL
   AND a.xact_start <= $1
   AND a.application_name <> 'convstore rebuild'
   AND $2 <> ALL (pg_blocking_pids(a.pid));

-- forget_samples --
-- What was found of tables that are replaced says nothing about the new ones.
--   $1 projection
DELETE FROM projection_sample
 WHERE projection = $1;

-- install --
-- Makes the checkpoints of a rebuild, which the search path has first, the live ones. The new epoch fences whoever moved
-- them before.
--   $1 projection
INSERT INTO convstore.checkpoint AS live (projection, partition, position, hash, epoch, ready)
SELECT c.projection, c.partition, c.position, c.hash, 1, true
  FROM checkpoint AS c
 WHERE c.projection = $1
ON CONFLICT (partition, projection) DO UPDATE
   SET position    = excluded.position,
       hash        = excluded.hash,
       epoch       = live.epoch + 1,
       owner       = '',
       lease_until = '-infinity',
       moved_at    = clock_timestamp(),
       stopped     = NULL,
       ready       = true;

-- retire --
-- Notes a schema whose tables a rebuild has replaced.
--   $1 schema  $2 projection  $3 seconds that it is kept
INSERT INTO projection_retired (schema_name, projection, drop_after)
VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3::float8));

-- retired --
-- Schemas that have been kept for long enough.
SELECT schema_name
  FROM projection_retired
 WHERE drop_after <= clock_timestamp()
 ORDER BY retired_at
   FOR UPDATE SKIP LOCKED;

-- forget_retired --
--   $1 schema
DELETE FROM projection_retired
 WHERE schema_name = $1;

-- unused --
-- Versions of read models that this release does not have, with who carries them while his lease lasts.
--   $1 projections of this release[]
SELECT t.projection, array_agg(DISTINCT t.name) AS tables,
       (SELECT c.owner
          FROM checkpoint c
         WHERE c.projection = t.projection
           AND c.owner <> ''
         ORDER BY c.lease_until DESC
         LIMIT 1) AS owner,
       (SELECT max(c.lease_until) > clock_timestamp()
          FROM checkpoint c
         WHERE c.projection = t.projection) AS leased
  FROM projection_table t
 WHERE t.projection <> ALL ($1::text[])
 GROUP BY t.projection
 ORDER BY t.projection;

-- forget_version --
--   $1 projection
WITH tables AS (
    DELETE FROM projection_table
     WHERE projection = $1
), samples AS (
    DELETE FROM projection_sample
     WHERE projection = $1
)
DELETE FROM checkpoint
 WHERE projection = $1;

-- primary_key --
-- The columns of a table's primary key.
--   $1 table
SELECT a.attname
  FROM pg_index i
  JOIN pg_attribute a
    ON a.attrelid = i.indrelid
   AND a.attnum = ANY (i.indkey)
 WHERE i.indrelid = to_regclass($1)
   AND i.indisprimary
 ORDER BY a.attnum;

-- has_index_by_conversation --
-- Whether the rows of a conversation can be found in a table without reading all of it.
--   $1 table
SELECT EXISTS (
    SELECT
      FROM pg_index i
      JOIN pg_attribute a
        ON a.attrelid = i.indrelid
       AND a.attnum = i.indkey[0]
     WHERE i.indrelid = to_regclass($1)
       AND i.indpred IS NULL
       AND a.attname = 'conversation_id');
