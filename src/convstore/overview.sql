-- What there is to know of a store at a glance.

-- ends --
-- The end of each partition; the time is NULL while it is empty.
SELECT partition, position,
       CASE WHEN isfinite(recorded_at) THEN recorded_at END AS recorded_at
  FROM head
 ORDER BY partition;

-- kept --
-- How many snapshots and idempotency keys are kept, and how many events read models were told to leave out.
SELECT (SELECT count(*) FROM snapshot) AS snapshots,
       (SELECT count(*) FROM idempotency_key) AS keys,
       (SELECT count(*) FROM projection_skip) AS skipped;

-- checkpoints --
-- How many checkpoints of these read models have been at the end of the log.
--   $1 projection[]
SELECT count(*)
  FROM checkpoint
 WHERE projection = ANY ($1::text[])
   AND ready;

-- skips --
-- All that read models were ever told to leave out, oldest first.
SELECT projection, partition, position, stream, version, type, reason, skipped_by, note, skipped_at
  FROM projection_skip
 ORDER BY skipped_at, projection, partition, position;
