-- snapshot --
-- One view of the whole log, while others append.
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- done --
COMMIT;

-- heads --
-- The head rows, each with the last batch that there is; nulls where there is none.
SELECT h.partition, h.position, h.hash, h.recorded_at, b.last_position, b.hash AS last_hash, b.recorded_at AS last_time
  FROM head h
  LEFT JOIN LATERAL (
           SELECT b.last_position, b.hash, b.recorded_at
             FROM batch b
            WHERE b.partition = h.partition
            ORDER BY b.last_position DESC
            LIMIT 1
       ) AS b ON true
 ORDER BY h.partition;

-- chain_page --
-- The next batches of a partition, each with what its events say of it: whether it begins where the one before it ends,
-- how many events it has, whether they have its time, whether that is not before the one before, and whether the hash is
-- theirs.
--   $1 partition  $2 after last position  $3 hash there  $4 time there, NULL at the start  $5 at most
WITH page AS MATERIALIZED (
    SELECT b.*
      FROM batch b
     WHERE b.partition = $1
       AND b.last_position > $2
     ORDER BY b.last_position
     LIMIT $5
), linked AS (
    SELECT p.*,
           lag(p.last_position, 1, $2::bigint) OVER following AS previous_position,
           lag(p.hash, 1, $3::bytea) OVER following AS previous_hash,
           lag(p.recorded_at, 1, $4::timestamptz) OVER following AS previous_time
      FROM page p
    WINDOW following AS (ORDER BY p.last_position)
)
SELECT l.first_position,
       l.last_position,
       l.hash,
       l.recorded_at,
       l.first_position = l.previous_position + 1 AS follows,
       e.number = l.last_position - l.first_position + 1 AS is_dense,
       coalesce(e.same_time, false) AND (l.previous_time IS NULL OR l.recorded_at >= l.previous_time) AS is_timely,
       coalesce(sha256(l.previous_hash || e.bytes) = l.hash, false) AS is_sealed
  FROM linked l
 CROSS JOIN LATERAL (
           SELECT count(*) AS number,
                  bool_and(e.recorded_at = l.recorded_at) AS same_time,
                  string_agg(
                      event_bytes(
                          e.partition, e.position, e.stream, e.version, e.type, e.recorded_at, e.data::text, e.meta::text
                      ),
                      ''::bytea ORDER BY e.position
                  ) AS bytes
             FROM event e
            WHERE e.partition = l.partition
              AND e.position BETWEEN l.first_position AND l.last_position
       ) AS e
 ORDER BY l.last_position;

-- strays --
-- Events of a partition that lie before its first position or behind its head.
--   $1 partition  $2 head
SELECT position
  FROM event
 WHERE partition = $1
   AND (position < 1 OR position > $2)
 ORDER BY position
 LIMIT 100;

-- streams --
-- Streams of a partition whose versions are not 1, 2, 3 … in the order of positions, or not up to their row's.
--   $1 partition
WITH ordered AS (
    SELECT e.stream,
           e.version,
           e.position,
           lag(e.position, 1, 0::bigint) OVER (PARTITION BY e.stream ORDER BY e.version) AS previous
      FROM event e
     WHERE e.partition = $1
), counted AS (
    SELECT o.stream, count(*) AS events, min(o.version) AS first, max(o.version) AS last,
           bool_and(o.position > o.previous) AS in_order
      FROM ordered o
     GROUP BY o.stream
)
SELECT coalesce(c.stream, s.stream) AS stream
  FROM counted c
  FULL JOIN (SELECT * FROM stream WHERE partition = $1) AS s
    ON s.stream = c.stream
 WHERE c.stream IS NULL
    OR s.stream IS NULL
    OR NOT (c.in_order AND c.first = 1 AND c.last = c.events AND c.last = s.version)
 ORDER BY 1
 LIMIT 100;

-- checkpoints --
-- Checkpoints that are not on this history of a partition: ahead of it, or at a batch with another hash.
--   $1 partition  $2 head
SELECT c.projection, c.position
  FROM checkpoint c
  LEFT JOIN LATERAL (
           SELECT b.hash
             FROM batch b
            WHERE b.partition = c.partition
              AND b.last_position >= c.position
              AND b.first_position <= c.position
            ORDER BY b.last_position
            LIMIT 1
       ) AS b ON true
 WHERE c.partition = $1
   AND (c.position > $2 OR (octet_length(c.hash) > 0 AND c.hash IS DISTINCT FROM b.hash))
 ORDER BY c.projection;

-- by_stream --
-- The stored texts of a partition's events, stream by stream, each in its order.
--   $1 partition  $2 up to position
SELECT position, stream, version, type, data, meta
  FROM event
 WHERE partition = $1
   AND position <= $2
 ORDER BY stream, version;
