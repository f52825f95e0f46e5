-- limits --
-- How long the server lets an append wait for the head and work, so that one that hangs does not hang for ever.
SET lock_timeout = '5s';
SET statement_timeout = '30s';
SET idle_in_transaction_session_timeout = '10s';

-- append --
-- One batch, one transaction; migrations/0001_log.sql tells what the arguments are.
--   $1 partition  $2 batch id  $3 sent after
--   $4 … $7 streams  $8 … $13 events  $14 … $18 keys
SELECT base_position, batch_time, stale_groups, used_keys, used_digests, used_results
  FROM append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18);

-- begin --
BEGIN ISOLATION LEVEL READ COMMITTED;

-- hold --
-- Keeps every other append out of a partition until the end of the transaction.
--   $1 partition
SELECT hold_head($1);

-- commit --
COMMIT;

-- partition_page --
-- Events of one partition after a position, in order. The columns stand in the order of Recorded.
--   $1 partition  $2 after position  $3 at most
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND position > $2
 ORDER BY position
 LIMIT $3;

-- stream_page --
-- Events of one stream after a version, in order.
--   $1 partition  $2 stream  $3 after version
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND stream = $2
   AND version > $3
 ORDER BY version;

-- versions_at --
-- How far streams had come at a position: the version of the last event at or before it. No row for a stream that had
-- not begun.
--   $1 partition  $2 stream[]  $3 position
SELECT w.stream, e.version
  FROM unnest($2::text[]) AS w (stream)
 CROSS JOIN LATERAL (
           SELECT e.version
             FROM event e
            WHERE e.partition = $1
              AND e.stream = w.stream
              AND e.position <= $3
            ORDER BY e.version DESC
            LIMIT 1
       ) AS e;

-- positions_at --
-- The last position of each partition that was recorded at or before an instant; 0 where there is none. Times run with
-- positions, so it is found by halves, with a look at some thirty batches of a billion.
--   $1 instant
WITH RECURSIVE halved AS (
    SELECT h.partition, 0::bigint AS low, h.position AS high
      FROM head h
     UNION ALL
    SELECT s.partition,
           CASE WHEN b.recorded_at <= $1 THEN b.last_position ELSE s.low END,
           CASE WHEN b.recorded_at <= $1 THEN s.high ELSE b.first_position - 1 END
      FROM halved s
     CROSS JOIN LATERAL (
               SELECT b.first_position, b.last_position, b.recorded_at
                 FROM batch b
                WHERE b.partition = s.partition
                  AND b.last_position >= (s.low + s.high + 1) / 2
                ORDER BY b.last_position
                LIMIT 1
           ) AS b
     WHERE s.low < s.high
)
SELECT partition, low AS position
  FROM halved
 WHERE low = high
 ORDER BY partition;

-- heads --
-- The last position of each partition.
SELECT partition, position
  FROM head
 ORDER BY partition;

-- states --
-- What brings states up to date: for streams of which nothing is known (known = 0) the snapshot, if there is one and it
-- is wanted; then the events after it, or after what is known. In order of stream and version.
--   $1 partition  $2 stream[]  $3 known version[]  $4 whether snapshots are wanted
WITH wanted AS MATERIALIZED (
    SELECT n.stream, n.known, s.version AS kept, s.state
      FROM unnest($2::text[], $3::int[]) AS n (stream, known)
      LEFT JOIN snapshot s
        ON $4
       AND n.known = 0
       AND s.partition = $1
       AND s.stream = n.stream
)
SELECT w.stream, w.kept AS version, w.state, NULL::json AS data
  FROM wanted w
 WHERE w.state IS NOT NULL
UNION ALL
SELECT w.stream, e.version, NULL, e.data
  FROM wanted w
 CROSS JOIN LATERAL (
           SELECT e.version, e.data
             FROM event e
            WHERE e.partition = $1
              AND e.stream = w.stream
              AND e.version > coalesce(w.kept, w.known)
            ORDER BY e.version
            -- Keeps this a look-up per stream by the key, whatever the statistics say.
            OFFSET 0
       ) AS e
 ORDER BY 1, 2;

-- keep_snapshot --
-- Replaces the snapshot of a stream, unless a later one is there.
--   $1 partition  $2 stream  $3 version  $4 state
INSERT INTO snapshot AS s (partition, stream, version, state)
VALUES ($1, $2, $3, $4)
ON CONFLICT (partition, stream) DO UPDATE
   SET version = excluded.version,
       state = excluded.state
 WHERE s.version <= excluded.version;

-- recall --
-- What a key was used for: one row per partition that a request with it was carried out in.
--   $1 account  $2 key  $3 number of partitions
SELECT k.partition, k.digest, k.result, h.position
  FROM generate_series(0, $3 - 1) AS n (partition)
  JOIN idempotency_key k
    ON k.partition = n.partition
   AND k.account = $1
   AND k.key = $2
  JOIN head h
    ON h.partition = k.partition;

-- forget_keys --
--   $1 partition  $2 older than  $3 at most
SELECT forget_keys($1, $2, $3);

-- facts --
-- The store's number of partitions, its id and its secret; and which import into it is unfinished, if one is.
SELECT name, value
  FROM store
 WHERE name IN ('partitions', 'id', 'secret', 'importing');
