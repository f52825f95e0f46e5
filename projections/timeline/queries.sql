-- What readers ask of the past. Positions stand for a time: one per partition, the last event that had happened by then.
--
-- Sources: the rows that a list or an object is taken from, with the columns of the inbox's sources, so that the query
-- language speaks of the past in the same words. {0} is nothing, or _all for readers who see internal messages; {1} the
-- condition that is left_unread or left_unread_all. What has not changed since is taken from the inbox as it is now, so
-- that a look at yesterday costs what changed since. version: what stands in search_v1 up to it was there by then.

-- positions --
-- The place in the log that such an answer reflects.
--   $2 positions, by partition[]
$2::bigint[]

-- known --
-- Whether a person ever had a copy of a conversation that is still there.
--   $1 user_id
SELECT EXISTS (SELECT FROM timeline_copy_v1 WHERE user_id = $1)

-- own --
-- The copies that the reader had, of conversations that he may see now too.
--   $1 reader  $2 positions, by partition[]  $3 whether he may see all there is now
SELECT m.conversation_id AS id,
       c.created,
       c.created_by,
       CASE WHEN h.position IS NULL THEN i.last_updated{0} ELSE h.last_updated{0} END AS last_updated,
       c.subject,
       c.message_type,
       CASE WHEN h.position IS NULL THEN i.priority ELSE h.priority END AS priority,
       CASE WHEN h.position IS NULL THEN i.status ELSE h.status END AS status,
       CASE WHEN h.position IS NULL THEN i.assignee ELSE h.assignee END AS assignee,
       c.external_id,
       CASE WHEN h.position IS NULL THEN i.message_count ELSE h.message_count END AS message_count,
       CASE WHEN h.position IS NULL THEN i.last_message{0} ELSE h.last_message{0} END AS last_message,
       CASE WHEN h.position IS NULL THEN i.last_sender{0} ELSE h.last_sender{0} END AS last_sender,
       CASE WHEN h.position IS NULL THEN NOT i.unread{0} ELSE NOT {1} END AS read,
       CASE
           WHEN h.position IS NULL THEN i.follow_up
           ELSE coalesce((SELECT f.follow_up
                            FROM timeline_follow_up_v1 AS f
                           WHERE f.user_id = m.user_id
                             AND f.conversation_id = m.conversation_id
                             AND f.position BETWEEN m.since AND ($2::bigint[])[m.partition + 1]
                           ORDER BY f.position DESC
                           LIMIT 1), false)
       END AS follow_up,
       true AS own,
       h.version
  FROM timeline_copy_v1 AS m
  LEFT JOIN inbox_conversation_v1 AS c
    ON c.conversation_id = m.conversation_id
  LEFT JOIN inbox_v1 AS i
    ON i.user_id = m.user_id
   AND i.conversation_id = m.conversation_id
  LEFT JOIN LATERAL (
           SELECT t.*
             FROM timeline_change_v1 AS t
            WHERE (i.position > ($2::bigint[])[m.partition + 1]) IS NOT FALSE
              AND t.conversation_id = m.conversation_id
              AND t.position <= ($2::bigint[])[m.partition + 1]
            ORDER BY t.position DESC
            LIMIT 1
       ) AS h
    ON true
 WHERE m.user_id = $1
   AND m.since <= ($2::bigint[])[m.partition + 1]
   AND m.until > ($2::bigint[])[m.partition + 1]
   AND ($3::boolean OR i.user_id IS NOT NULL OR {2})

-- sees_no_others --
-- What {2} is for readers without a right to conversations that they have no copy of.
false

-- sees_tickets --
-- What {2} is for ticket managers.
c.message_type = 'TICKET'

-- sees_all --
-- What {2} is for a single conversation, of which the right is looked at by itself.
true

-- others --
-- Conversations as they were, with the reader's own copies; who takes one must have looked at the reader's rights.
-- has_copy: whether he has one now.
--   $1 reader  $2 positions, by partition[]
SELECT c.conversation_id AS id,
       c.created,
       c.created_by,
       CASE WHEN h.position IS NULL THEN c.last_updated{0} ELSE h.last_updated{0} END AS last_updated,
       c.subject,
       c.message_type,
       CASE WHEN h.position IS NULL THEN c.priority ELSE h.priority END AS priority,
       CASE WHEN h.position IS NULL THEN c.status ELSE h.status END AS status,
       CASE WHEN h.position IS NULL THEN c.assignee ELSE h.assignee END AS assignee,
       c.external_id,
       CASE WHEN h.position IS NULL THEN c.message_count ELSE h.message_count END AS message_count,
       CASE WHEN h.position IS NULL THEN c.last_message{0} ELSE h.last_message{0} END AS last_message,
       CASE WHEN h.position IS NULL THEN c.last_sender{0} ELSE h.last_sender{0} END AS last_sender,
       CASE
           WHEN m.user_id IS NULL THEN NULL
           WHEN i.position <= ($2::bigint[])[c.partition + 1] THEN NOT i.unread{0}
           ELSE NOT {1}
       END AS read,
       coalesce((SELECT f.follow_up
                   FROM timeline_follow_up_v1 AS f
                  WHERE f.user_id = m.user_id
                    AND f.conversation_id = m.conversation_id
                    AND f.position BETWEEN m.since AND ($2::bigint[])[m.partition + 1]
                  ORDER BY f.position DESC
                  LIMIT 1), false) AS follow_up,
       m.user_id IS NOT NULL AS own,
       i.user_id IS NOT NULL AS has_copy,
       h.version
  FROM inbox_conversation_v1 AS c
  LEFT JOIN LATERAL (
           SELECT t.*
             FROM timeline_change_v1 AS t
            WHERE t.conversation_id = c.conversation_id
              AND t.position <= ($2::bigint[])[c.partition + 1]
            ORDER BY t.position DESC
            LIMIT 1
       ) AS h
    ON true
  LEFT JOIN timeline_copy_v1 AS m
    ON m.user_id = $1
   AND m.conversation_id = c.conversation_id
   AND m.since <= ($2::bigint[])[c.partition + 1]
   AND m.until > ($2::bigint[])[c.partition + 1]
  LEFT JOIN inbox_v1 AS i
    ON i.user_id = $1
   AND i.conversation_id = c.conversation_id
 WHERE h.position IS NOT NULL
   AND {2}

-- left_unread --
-- Whether a copy m was unread by then; h is its conversation as it was.
(SELECT s.read = 0
        OR CASE WHEN h.last_sender = m.user_id THEN h.by_another ELSE h.posted END > s.read
   FROM (SELECT coalesce((SELECT r.up_to
                            FROM timeline_read_v1 AS r
                           WHERE r.user_id = m.user_id
                             AND r.conversation_id = m.conversation_id
                             AND r.position BETWEEN m.since AND ($2::bigint[])[m.partition + 1]
                           ORDER BY r.position DESC
                           LIMIT 1), m.read) AS read
          OFFSET 0) AS s)

-- left_unread_all --
-- The same over internal messages too: those that named the person. What he has read is never older than his copy.
(SELECT s.read = 0
        OR CASE WHEN h.last_sender = m.user_id THEN h.by_another ELSE h.posted END > s.read
        OR h.internal > s.read
           AND EXISTS (SELECT
                         FROM timeline_internal_v1 AS n
                        WHERE n.conversation_id = m.conversation_id
                          AND n.version > s.read
                          AND n.position <= ($2::bigint[])[m.partition + 1]
                          AND m.user_id = ANY (n.unread_for))
   FROM (SELECT coalesce((SELECT r.up_to
                            FROM timeline_read_v1 AS r
                           WHERE r.user_id = m.user_id
                             AND r.conversation_id = m.conversation_id
                             AND r.position BETWEEN m.since AND ($2::bigint[])[m.partition + 1]
                           ORDER BY r.position DESC
                           LIMIT 1), m.read) AS read
          OFFSET 0) AS s)

-- participants --
-- Everybody's copies as they were.
--   $2 positions, by partition[]
SELECT m.conversation_id,
       m.user_id,
       m.key::text AS key,
       NOT {1} AS read,
       coalesce((SELECT f.follow_up
                   FROM timeline_follow_up_v1 AS f
                  WHERE f.user_id = m.user_id
                    AND f.conversation_id = m.conversation_id
                    AND f.position BETWEEN m.since AND ($2::bigint[])[m.partition + 1]
                  ORDER BY f.position DESC
                  LIMIT 1), false) AS follow_up
  FROM timeline_copy_v1 AS m
  LEFT JOIN LATERAL (
           SELECT t.*
             FROM timeline_change_v1 AS t
            WHERE t.conversation_id = m.conversation_id
              AND t.position <= ($2::bigint[])[m.partition + 1]
            ORDER BY t.position DESC
            LIMIT 1
       ) AS h
    ON true
 WHERE m.since <= ($2::bigint[])[m.partition + 1]
   AND m.until > ($2::bigint[])[m.partition + 1]

-- messages --
-- All messages that there were, but for internal ones, with the line on the sender's software that DHIS2 shows.
--   $2 positions, by partition[]
SELECT c.conversation_id,
       t.version,
       t.message_id AS id,
       t.sent,
       t.sender,
       t.internal,
       t.text,
       CASE WHEN t.sender IS NOT NULL THEN left('User-agent: ' || COALESCE(t.user_agent, 'null'), 255) END AS meta_data,
       t.attachments
  FROM inbox_conversation_v1 AS c
  JOIN thread_v1 AS t
    ON t.conversation_id = c.conversation_id
   AND t.position <= ($2::bigint[])[c.partition + 1]
 WHERE NOT t.internal

-- messages_all --
-- The internal ones too.
--   $2 positions, by partition[]
SELECT c.conversation_id,
       t.version,
       t.message_id AS id,
       t.sent,
       t.sender,
       t.internal,
       t.text,
       CASE WHEN t.sender IS NOT NULL THEN left('User-agent: ' || COALESCE(t.user_agent, 'null'), 255) END AS meta_data,
       t.attachments
  FROM inbox_conversation_v1 AS c
  JOIN thread_v1 AS t
    ON t.conversation_id = c.conversation_id
   AND t.position <= ($2::bigint[])[c.partition + 1]

-- found --
-- The search's conditions, of the texts that there were: {0} is a row of a source above, {1} the question as a tsquery.
EXISTS (SELECT
          FROM search_v1 AS s
         WHERE s.conversation_id = {0}.id
           AND s.version <= coalesce({0}.version, s.version)
           AND NOT s.internal
           AND (s.words @@ {1}
                OR s.sender = ANY (ARRAY(SELECT a.id
                                           FROM account AS a
                                          WHERE a.name_words @@ {1}))))

-- found_all --
-- The same with internal messages.
EXISTS (SELECT
          FROM search_v1 AS s
         WHERE s.conversation_id = {0}.id
           AND s.version <= coalesce({0}.version, s.version)
           AND (s.words @@ {1}
                OR s.sender = ANY (ARRAY(SELECT a.id
                                           FROM account AS a
                                          WHERE a.name_words @@ {1}))))

-- counts --
-- How many copies the reader had of each type, and how many of them were unread; one row, without a type, when he had
-- none. Filled in: own.
SELECT o.message_type, count(o.id) AS total, count(o.id) FILTER (WHERE NOT o.read) AS unread
  FROM (SELECT) AS once
  LEFT JOIN ({0}) AS o
    ON true
 GROUP BY o.message_type
