-- What the reads of conversations ask beside the read models' own queries.

-- positions --
-- How far the answer reflects the log, by partition: as far as the last of these read models has come.
--   {0} projections[]
SELECT array_agg(reached.position ORDER BY reached.partition)
  FROM (SELECT partition, min(position) AS position
          FROM checkpoint
         WHERE projection = ANY ({0})
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
