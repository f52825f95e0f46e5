-- What readers ask of the inbox. Those in _all are for readers who see internal messages.
--
-- Sources: the rows that a list or an object is taken from, with the same columns, so that filters and orders are
-- written once. read is NULL where the reader has no copy. The planner takes a source apart, down to the indexes.

-- own --
-- The reader's own copies.
--   $1 reader
SELECT conversation_id AS id,
       created,
       created_by,
       last_updated,
       subject,
       message_type,
       priority,
       status,
       assignee,
       external_id,
       message_count,
       last_message,
       last_sender,
       NOT unread AS read,
       follow_up,
       true AS own
  FROM inbox_v1
 WHERE user_id = $1

-- own_all --
-- The same.
--   $1 reader
SELECT conversation_id AS id,
       created,
       created_by,
       last_updated_all AS last_updated,
       subject,
       message_type,
       priority,
       status,
       assignee,
       external_id,
       message_count,
       last_message_all AS last_message,
       last_sender_all AS last_sender,
       NOT unread_all AS read,
       follow_up,
       true AS own
  FROM inbox_v1
 WHERE user_id = $1

-- tickets_all --
-- All tickets, the reader's own copies and those he has none of: for ticket managers.
--   $1 reader
SELECT c.conversation_id AS id,
       c.created,
       c.created_by,
       c.last_updated_all AS last_updated,
       c.subject,
       c.message_type,
       c.priority,
       c.status,
       c.assignee,
       c.external_id,
       c.message_count,
       c.last_message_all AS last_message,
       c.last_sender_all AS last_sender,
       NOT i.unread_all AS read,
       COALESCE(i.follow_up, false) AS follow_up,
       i.user_id IS NOT NULL AS own
  FROM inbox_conversation_v1 AS c
  LEFT JOIN inbox_v1 AS i
    ON i.user_id = $1
   AND i.conversation_id = c.conversation_id
 WHERE c.message_type = 'TICKET'

-- any --
-- Every conversation; who takes one of these must have looked at the reader's rights.
--   $1 reader
SELECT c.conversation_id AS id,
       c.created,
       c.created_by,
       c.last_updated,
       c.subject,
       c.message_type,
       c.priority,
       c.status,
       c.assignee,
       c.external_id,
       c.message_count,
       c.last_message,
       c.last_sender,
       NOT i.unread AS read,
       COALESCE(i.follow_up, false) AS follow_up,
       i.user_id IS NOT NULL AS own
  FROM inbox_conversation_v1 AS c
  LEFT JOIN inbox_v1 AS i
    ON i.user_id = $1
   AND i.conversation_id = c.conversation_id

-- any_all --
-- The same.
--   $1 reader
SELECT c.conversation_id AS id,
       c.created,
       c.created_by,
       c.last_updated_all AS last_updated,
       c.subject,
       c.message_type,
       c.priority,
       c.status,
       c.assignee,
       c.external_id,
       c.message_count,
       c.last_message_all AS last_message,
       c.last_sender_all AS last_sender,
       NOT i.unread_all AS read,
       COALESCE(i.follow_up, false) AS follow_up,
       i.user_id IS NOT NULL AS own
  FROM inbox_conversation_v1 AS c
  LEFT JOIN inbox_v1 AS i
    ON i.user_id = $1
   AND i.conversation_id = c.conversation_id

-- participants --
-- Everybody's copies.
SELECT conversation_id,
       user_id,
       key::text AS key,
       NOT unread AS read,
       follow_up
  FROM inbox_v1

-- participants_all --
SELECT conversation_id,
       user_id,
       key::text AS key,
       NOT unread_all AS read,
       follow_up
  FROM inbox_v1

-- total --
-- How many copies the reader has, by the counters.
--   $1 reader
SELECT COALESCE(sum(n.total), 0)::bigint
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1

-- total_unread --
--   $1 reader
SELECT COALESCE(sum(n.unread), 0)::bigint
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1

-- total_unread_all --
--   $1 reader
SELECT COALESCE(sum(n.unread_all), 0)::bigint
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1

-- total_read --
--   $1 reader
SELECT COALESCE(sum(n.total - n.unread), 0)::bigint
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1

-- total_read_all --
--   $1 reader
SELECT COALESCE(sum(n.total - n.unread_all), 0)::bigint
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1

-- last_change --
-- Where the last of the reader's copies in a partition changed. With how many he has in all, by what they are the same
-- as before: if nothing has changed since that place in any partition, copies can only have gone, and then there are
-- fewer.
--   $1 reader  {0} partition
SELECT max(i.changed)
  FROM inbox_v1 AS i
 WHERE i.user_id = $1
   AND i.partition = {0}

-- last_change_all --
-- The same.
--   $1 reader  {0} partition
SELECT greatest((SELECT max(i.changed)
                   FROM inbox_v1 AS i
                  WHERE i.user_id = $1
                    AND i.partition = {0}),
                (SELECT max(i.position)
                   FROM inbox_v1 AS i
                  WHERE i.user_id = $1
                    AND i.partition = {0}
                    AND i.position <> i.changed))

-- counts --
-- How many copies the reader has of each type, and how many unread ones in either view; no row for a type without any.
--   $1 reader
SELECT n.message_type,
       sum(n.total)::bigint AS total,
       sum(n.unread)::bigint AS unread,
       sum(n.unread_all)::bigint AS unread_all
  FROM inbox_count_v1 AS n
 WHERE n.user_id = $1
 GROUP BY n.message_type

-- counted_again --
-- What inbox_count_v1 has to say of a person, counted from his copies.
--   $1 person
SELECT i.user_id,
       i.message_type,
       i.partition,
       count(*)::int AS total,
       (count(*) FILTER (WHERE i.unread))::int AS unread,
       (count(*) FILTER (WHERE i.unread_all))::int AS unread_all
  FROM inbox_v1 AS i
 WHERE i.user_id = $1
 GROUP BY i.user_id, i.message_type, i.partition

-- unread_copies --
-- The next of the reader's unread copies, by conversation, with their partitions.
--   $1 reader  $2 message type, NULL for all  $3 after this conversation  $4 at most
SELECT conversation_id, partition
  FROM inbox_v1
 WHERE user_id = $1
   AND unread
   AND ($2::text IS NULL OR message_type = $2)
   AND conversation_id > $3
 ORDER BY conversation_id
 LIMIT $4

-- unread_copies_all --
-- The same.
--   $1 reader  $2 message type, NULL for all  $3 after this conversation  $4 at most
SELECT conversation_id, partition
  FROM inbox_v1
 WHERE user_id = $1
   AND unread_all
   AND ($2::text IS NULL OR message_type = $2)
   AND conversation_id > $3
 ORDER BY conversation_id
 LIMIT $4

-- conversations_of --
-- Which conversations one person has a copy of.
--   $1 user_id
SELECT i.conversation_id
  FROM inbox_v1 i
 WHERE i.user_id = $1
 ORDER BY i.conversation_id;

-- without --
-- Which of these conversations the read model has not: those that were deleted, and those that it has not come to yet.
--   $1 conversation_id[]
SELECT wanted.id
  FROM unnest($1::text[]) AS wanted (id)
 WHERE NOT EXISTS (SELECT
                     FROM inbox_conversation_v1 AS c
                    WHERE c.conversation_id = wanted.id);

-- has_copy --
-- A condition: whether a person has a copy of a conversation.
--   {0} user_id  {1} conversation_id
EXISTS (SELECT FROM inbox_v1 AS i WHERE i.user_id = {0} AND i.conversation_id = {1})

-- had_copy --
-- A condition: whether a person had a copy of a conversation, not long ago.
--   {0} user_id  {1} conversation_id
EXISTS (SELECT FROM inbox_gone_v1 AS g WHERE g.user_id = {0} AND g.conversation_id = {1})
