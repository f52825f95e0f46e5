-- everything --
-- Events of one stream after a version, in order, up to a place. The columns stand in the order of Recorded.
--   $1 partition  $2 stream  $3 after version  $4 up to position, NULL for all  $5 at most
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND stream = $2
   AND version > $3
   AND ($4::bigint IS NULL OR position <= $4)
 ORDER BY version
 LIMIT $5;

-- seen --
-- The same as one person may see it, without the first so many of what he sees. A type that is in none of the lists is
-- nobody's.
--   $1 partition  $2 stream  $3 without the first  $4 up to position  $5 at most  $6 person
--   $7 types of the thread[]  $8 types of one person's marks[]  $9 types of messages[]  $10 whether internal ones
SELECT position, stream, version, data, recorded_at, meta
  FROM event
 WHERE partition = $1
   AND stream = $2
   AND ($4::bigint IS NULL OR position <= $4)
   AND CASE
       WHEN type = ANY ($7::text[]) THEN true
       WHEN type = ANY ($8::text[]) THEN coalesce(data ->> 'reader', data ->> 'participant') = $6
       WHEN type = ANY ($9::text[]) THEN $10 OR data ->> 'internal' IS DISTINCT FROM 'true'
       ELSE false
       END
 ORDER BY version
OFFSET $3
 LIMIT $5;
