-- last --
-- The last events of a partition up to a position, newest first. The columns stand in the order of Recorded.
--   $1 partition  $2 up to position  $3 types[], empty for all  $4 stream, NULL for all  $5 at most
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND position <= $2
   AND (cardinality($3::text[]) = 0 OR type = ANY ($3::text[]))
   AND ($4::text IS NULL OR stream = $4)
 ORDER BY position DESC
 LIMIT $5;

-- last_of_stream --
-- The same of one stream, by its key: however long the log is.
--   $1 partition  $2 up to position  $3 types[], empty for all  $4 stream  $5 at most
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND position <= $2
   AND (cardinality($3::text[]) = 0 OR type = ANY ($3::text[]))
   AND stream = $4
 ORDER BY version DESC
 LIMIT $5;

-- at_position --
--   $1 partition  $2 position
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND position = $2;

-- at_version --
--   $1 partition  $2 stream  $3 version
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND stream = $2
   AND version = $3;

-- batch_of --
-- The batch that a position was appended in.
--   $1 partition  $2 position
SELECT first_position, last_position, id, recorded_at, hash
  FROM batch
 WHERE partition = $1
   AND last_position >= $2
 ORDER BY last_position
 LIMIT 1;

-- statistics --
-- Events of each type and day since a day, newest day first.
--   $1 day, NULL for all
SELECT day, type, events, streams, data_bytes, meta_bytes
  FROM events_per_day
 WHERE $1::date IS NULL OR day >= $1
 ORDER BY day DESC, type;

-- sizes --
-- The tables of the log and what they take, the largest first.
SELECT name, total_bytes, index_bytes
  FROM log_size
 ORDER BY total_bytes DESC, name;
