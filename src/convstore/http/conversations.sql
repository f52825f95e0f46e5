-- What the reads of conversations ask beside the read models' own queries.

-- positions --
-- How far the answer reflects the log, by partition: as far as the last of these read models has come.
--   {0} projections[]
SELECT array_agg(reached.position ORDER BY reached.partition)
  FROM (SELECT partition, min(position) AS position
          FROM checkpoint
         WHERE projection = ANY ({0})
         GROUP BY partition) AS reached

-- revision_of_copies --
-- By what a list of the reader's own copies is the same as before: his copies, the names of people, and that the read
-- models have taken in the same, so that messages are those of the copies; where they have not, how far each is. Filled
-- in: the inbox's revision of his copies, and then projections[].
SELECT concat_ws(' ', (SELECT revision FROM directory_revision),
                 (SELECT string_agg(behind.positions, ',' ORDER BY behind.partition)
                    FROM (SELECT partition, string_agg(concat(projection, '=', position), ',' ORDER BY projection)
                              AS positions
                            FROM checkpoint
                           WHERE projection = ANY ({1})
                           GROUP BY partition
                          HAVING min(position) <> max(position)) AS behind),
                 '/',
                 ({0}))

-- revision_of_log --
-- By what a list is the same as before that shows more than one's own copies: who reads it, the names of people, and the
-- whole log.
--   $1 reader  {0} projections[]
SELECT concat_ws(' ', $1::text, (SELECT revision FROM directory_revision),
                 (SELECT string_agg(concat(projection, '=', position), ',' ORDER BY partition, projection)
                    FROM checkpoint
                   WHERE projection = ANY ({0})))

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
