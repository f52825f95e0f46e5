-- What the reads of conversations ask beside the read models' own queries.

-- positions --
-- How far the answer reflects the log, by partition: as far as the last of these read models has come.
--   {0} projections[]
SELECT array_agg(reached.position ORDER BY reached.partition)
  FROM (SELECT partition, min(position) AS position
          FROM checkpoint
         WHERE projection = ANY ({0})
         GROUP BY partition) AS reached

-- reached_with_copies --
-- The place in the log, as positions, and by what a list of the reader's own copies is the same as before: his copies,
-- the names of people, and that the read models have taken in the same, so that messages are those of the copies; where
-- they have not, how far each is. One look at the checkpoints for both. Filled in: projections[], those and more, how
-- many copies he has, and where the last of them in a partition changed.
--   $1 reader
SELECT array_agg(reached.position ORDER BY reached.partition) AS positions,
       concat_ws(' ', (SELECT revision FROM directory_revision),
                 string_agg(reached.apart, ',' ORDER BY reached.partition),
                 '/',
                 ({2}),
                 string_agg(concat(reached.partition, '@', ({3})), ',' ORDER BY reached.partition)) AS revision
  FROM (SELECT partition,
               min(position) FILTER (WHERE projection = ANY ({0})) AS position,
               CASE WHEN min(position) <> max(position)
                    THEN concat(partition, '=', array_agg(position ORDER BY projection)) END AS apart
          FROM checkpoint
         WHERE projection = ANY ({1})
         GROUP BY partition) AS reached

-- reached_with_log --
-- The same of a list that shows more than one's own copies: who reads it, the names of people, and the whole log.
-- Filled in: projections[], and those and more.
--   $1 reader
SELECT array_agg(reached.position ORDER BY reached.partition) AS positions,
       concat_ws(' ', $1::text, (SELECT revision FROM directory_revision),
                 string_agg(reached.each, ',' ORDER BY reached.partition)) AS revision
  FROM (SELECT partition,
               min(position) FILTER (WHERE projection = ANY ({0})) AS position,
               concat(partition, '=', array_agg(position ORDER BY projection)) AS each
          FROM checkpoint
         WHERE projection = ANY ({1})
         GROUP BY partition) AS reached

-- total_of_type --
-- What follows a total of the inbox's counters, to have one type only.
--   {0} message type
AND n.message_type = {0}

-- counts --
-- How many copies a reader has of each type, with the place in the log that this reflects. One row, without a type, for
-- somebody who has none. Filled in: the inbox's counts, of the reader $1, and then positions.
SELECT c.message_type, c.total, c.unread, c.unread_all,
       ({1}) AS positions
  FROM (SELECT) AS once
  LEFT JOIN ({0}) AS c
    ON true
