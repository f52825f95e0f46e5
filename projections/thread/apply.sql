-- How the messages of a run of events come into the table. Both statements may run twice without effect.

-- post_messages --
--   $1 conversation_id[]  $2 version[]  $3 message_id[]  $4 sent[]  $5 sender[]  $6 internal[]  $7 text[]
--   $8 user_agent[]  $9 attachments, each a JSON array[]  $10 position[]
INSERT INTO thread_v1 (
       conversation_id, version, message_id, sent, sender, internal, text, user_agent, attachments, position)
SELECT *
  FROM unnest($1::text[], $2::int[], $3::text[], $4::timestamptz[], $5::text[], $6::bool[], $7::text[], $8::text[],
              $9::json[], $10::bigint[])
ON CONFLICT (conversation_id, version) DO NOTHING;

-- delete_messages --
-- All messages of conversations that are gone for everybody.
--   $1 conversation_id[]
DELETE FROM thread_v1
 WHERE conversation_id = ANY ($1::text[]);
