-- What is read of the log for those who follow it: some of the events, in order.

-- chosen --
-- A condition: whether an event e is to be given to who asks. His inbox has the conversations that he has a copy of; of
-- marks it has his own, and it tells him what took a copy away.
-- Filled in: the inbox's has_copy and had_copy, of $8 and e.stream.
--   $5 types[]  $6 whether internal messages are  $8 user_id whose inbox it must concern, or NULL
e.type = ANY ($5::text[])
AND ($6::bool OR e.type <> 'message-posted' OR (e.data ->> 'internal') IS DISTINCT FROM 'true')
AND ($8::text IS NULL
     OR CASE
            WHEN e.type IN ('conversation-read', 'conversation-unread')
            THEN e.data ->> 'reader' = $8 AND {0}
            WHEN e.type IN ('follow-up-flagged', 'follow-up-cleared')
            THEN e.data ->> 'participant' = $8 AND {0}
            WHEN e.type = 'participant-removed' AND e.data ->> 'participant' = $8
            THEN true
            WHEN e.type = 'conversation-deleted'
            THEN {1}
            ELSE {0}
        END)

-- gone --
-- A condition: whether the texts of an event e are not to be shown, because its conversation was deleted: that is the
-- last event of its stream then.
--   $7 whether texts are asked for at all
CASE
    WHEN $7::bool AND e.type IN ('conversation-started', 'message-posted')
    THEN EXISTS (SELECT
                   FROM stream AS s
                   JOIN event AS d
                     ON d.partition = s.partition
                    AND d.stream = s.stream
                    AND d.version = s.version
                  WHERE s.partition = e.partition
                    AND s.stream = e.stream
                    AND d.type = 'conversation-deleted')
    ELSE false
END

-- page --
-- Events after a position in each of these partitions, up to another, at most so many of each; by partition, in order.
-- Of a partition whose texts are long there are less, but one at least: found tells how many there would be.
-- The columns from the second on stand in the order of Recorded. Filled in: chosen; gone; which of the partition's events
-- are looked at; and what they are sorted by, so that the key gives them in order.
--   $1 partition[]  $2 after position[]  $3 up to position[]  $4 at most[]  $5 … $8 as above
--   $9 for each partition, one after the other, a position for each of the 64 slots, or NULL: events of a slot only
--      after that, of a slot without any none; NULL: slots do not matter
--   $10 bytes of data of a partition
SELECT n.partition, e.position, e.stream, e.version, e.data, e.recorded_at, e.meta, e.gone, e.found
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[])
       WITH ORDINALITY AS n (partition, after, until, most, nth)
 CROSS JOIN LATERAL (
           SELECT f.*, count(*) OVER () AS found,
                  sum(octet_length(f.data::text)) OVER (ORDER BY f.{3}) - octet_length(f.data::text) AS bytes_before
             FROM (SELECT e.position, e.stream, e.version, e.data, e.recorded_at, e.meta, {1} AS gone
                     FROM event AS e
                    WHERE e.partition = n.partition
                      AND e.position > n.after
                      AND e.position <= n.until
                      AND ($9::bigint[] IS NULL
                           OR e.position > ($9::bigint[])[
                                  (n.nth::int - 1) * 64 + 1 + (get_byte(sha256(convert_to(e.stream, 'UTF8')), 31) & 63)
                              ])
                      AND {2}
                      AND {0}
                    ORDER BY e.{3}
                    LIMIT n.most) AS f
       ) AS e
 WHERE e.bytes_before <= $10
 ORDER BY n.nth, e.{3};

-- all_of_it --
-- A condition: every event of the partition is looked at.
true

-- of_stream --
-- A condition: the events of one stream are looked at, by its key.
--   $11 stream
e.stream = $11

-- taken_in --
-- How far a read model has come in each partition, without the part of a batch that it has begun: what happened together
-- is there together.
--   $1 projection
SELECT c.partition,
       coalesce((SELECT b.last_position
                   FROM batch AS b
                  WHERE b.partition = c.partition
                    AND b.last_position <= c.position
                  ORDER BY b.last_position DESC
                  LIMIT 1), 0) AS position
  FROM checkpoint AS c
 WHERE c.projection = $1
 ORDER BY c.partition;
