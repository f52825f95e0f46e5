-- What readers ask of the threads. Those in _all are for readers who see internal messages.

-- messages --
-- All messages that everybody with access may see, with the line on the sender's software that DHIS2 shows.
SELECT conversation_id,
       version,
       message_id AS id,
       sent,
       sender,
       internal,
       text,
       CASE WHEN sender IS NOT NULL THEN left('User-agent: ' || COALESCE(user_agent, 'null'), 255) END AS meta_data,
       attachments
  FROM thread_v1
 WHERE NOT internal

-- messages_all --
SELECT conversation_id,
       version,
       message_id AS id,
       sent,
       sender,
       internal,
       text,
       CASE WHEN sender IS NOT NULL THEN left('User-agent: ' || COALESCE(user_agent, 'null'), 255) END AS meta_data,
       attachments
  FROM thread_v1

-- attachments --
-- The files of one message, a JSON array, and whether it is internal; who takes them must have looked at the reader's
-- rights.
--   $1 conversation_id  $2 message_id
SELECT internal,
       attachments
  FROM thread_v1
 WHERE conversation_id = $1
   AND message_id = $2;
