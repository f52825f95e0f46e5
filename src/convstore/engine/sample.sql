-- Which conversations are replayed by themselves, and what was found.

-- choose --
-- Conversations at random, each with the same chance: reads the whole table of streams. Streams of viewers are none.
--   $1 how many
SELECT partition, stream
  FROM stream
 WHERE stream NOT LIKE 'access-%'
 ORDER BY random()
 LIMIT $1;

-- stream_at --
-- Whose event stands at a position: so conversations are chosen by how much happens to them, at the price of one row.
--   $1 partition  $2 position
SELECT stream
  FROM event
 WHERE partition = $1
   AND position = $2;

-- note --
-- Counts one comparison of each of these read models.
--   $1 projection[]  $2 table that differed, NULL when none did[]  $3 conversation, NULL for counts of a person
INSERT INTO projection_sample AS s (
       projection, conversations, differing, sampled_at, last_conversation, last_table, differed_at)
SELECT n.projection, 1, (n.name IS NOT NULL)::int, clock_timestamp(),
       CASE WHEN n.name IS NOT NULL THEN $3::text END, n.name,
       CASE WHEN n.name IS NOT NULL THEN clock_timestamp() END
  FROM unnest($1::text[], $2::text[]) AS n (projection, name)
ON CONFLICT (projection) DO UPDATE
   SET conversations     = s.conversations + 1,
       differing         = s.differing + excluded.differing,
       sampled_at        = excluded.sampled_at,
       last_conversation = CASE WHEN excluded.last_table IS NULL THEN s.last_conversation
                                ELSE excluded.last_conversation END,
       last_table        = coalesce(excluded.last_table, s.last_table),
       differed_at       = coalesce(excluded.differed_at, s.differed_at);

-- found --
-- What samples have found of each read model.
SELECT projection, conversations, differing, sampled_at, last_conversation, last_table, differed_at
  FROM projection_sample
 ORDER BY projection;
