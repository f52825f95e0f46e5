-- What readers ask of delivery by e-mail and SMS.

-- of_conversation --
-- What became of a conversation's messages, to each person by each channel.
--   $1 partition  $2 conversation  $3 of internal messages too
SELECT d.message_id || '-' || d.user_id || '-' || d.channel AS id, d.message_id, d.user_id, d.channel,
       upper(d.state) AS state, d.reason, d.attempts, d.created, d.changed,
       CASE WHEN d.state = 'waiting' THEN d.due END AS due
  FROM delivery AS d
 WHERE d.partition = $1::int
   AND d.conversation_id = $2::text
   AND ($3::boolean OR NOT d.internal)
