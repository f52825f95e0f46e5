-- What changed in people's inboxes after a place in the log: from the copies by their positions, and from the tombstones
-- of those that went; never from the log.

-- since --
-- What changed for one person. A row for each partition at least: how far the answer reflects the log, and whether
-- tombstones of what went since that place may have been cleared away; then what changed there up to now, the first of
-- it, in the order in which it did. A copy that somebody got again after he had left is a changed one.
--   $1 reader  $2 after[], by partition  $3 projections[]  $4 at most, of each partition  $5 whether he sees internal
--   messages
SELECT r.partition, r.reached, c.position, c.conversation_id, c.gone,
       s.after < r.reached
       AND EXISTS (SELECT
                     FROM event AS e
                    WHERE e.partition = r.partition
                      AND e.position = s.after + 1
                      AND e.recorded_at < now() - interval '720 hours') AS expired
  FROM unnest($2::bigint[]) WITH ORDINALITY AS s (after, number)
  JOIN (SELECT k.partition, min(k.position) AS reached
          FROM checkpoint AS k
         WHERE k.projection = ANY ($3::text[])
         GROUP BY k.partition) AS r
    ON r.partition = s.number - 1
  LEFT JOIN LATERAL (
       (SELECT i.changed AS position, i.conversation_id, false AS gone
          FROM inbox_v1 AS i
         WHERE i.user_id = $1
           AND i.partition = r.partition
           AND i.changed > s.after
           AND i.changed <= r.reached
           AND (i.position = i.changed OR NOT $5)
         ORDER BY i.changed
         LIMIT $4)
        UNION ALL
       (SELECT i.position, i.conversation_id, false
          FROM inbox_v1 AS i
         WHERE i.user_id = $1
           AND i.partition = r.partition
           AND i.position > s.after
           AND i.position <= r.reached
           AND i.position <> i.changed
           AND $5
         ORDER BY i.position
         LIMIT $4)
        UNION ALL
       (SELECT t.position, t.conversation_id, true
          FROM inbox_gone_v1 AS t
         WHERE t.user_id = $1
           AND t.partition = r.partition
           AND t.position > s.after
           AND t.position <= r.reached
           AND NOT EXISTS (SELECT
                             FROM inbox_v1 AS i
                            WHERE i.user_id = t.user_id
                              AND i.conversation_id = t.conversation_id)
         ORDER BY t.position
         LIMIT $4)
        ORDER BY position
        LIMIT $4) AS c
    ON true
 ORDER BY r.partition, c.position;

-- moved --
-- In whose inboxes anything changed, and how far the log is reflected by now. Filled in: the latter, of projections $3.
--   $1 readers[]  $2 after[], by partition  $3 projections[]
SELECT ARRAY(SELECT f.reader
               FROM unnest($1::text[]) AS f (reader)
              WHERE EXISTS (SELECT
                              FROM unnest($2::bigint[]) WITH ORDINALITY AS s (after, number)
                             WHERE EXISTS (SELECT
                                             FROM inbox_v1 AS i
                                            WHERE i.user_id = f.reader
                                              AND i.partition = s.number - 1
                                              AND i.changed > s.after)
                                OR EXISTS (SELECT
                                             FROM inbox_v1 AS i
                                            WHERE i.user_id = f.reader
                                              AND i.partition = s.number - 1
                                              AND i.position > s.after
                                              AND i.position <> i.changed)
                                OR EXISTS (SELECT
                                             FROM inbox_gone_v1 AS t
                                            WHERE t.user_id = f.reader
                                              AND t.partition = s.number - 1
                                              AND t.position > s.after))) AS readers,
       ({0}) AS reached
