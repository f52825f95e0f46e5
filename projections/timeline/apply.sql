-- How the changes of a fold come into the tables. Every statement may run twice, or again as part of a longer run of
-- events, without effect: rows are told apart by the position of their event.

-- delete_conversations --
-- All that is kept of conversations that are gone for everybody: nobody may look at them as of any time.
--   $1 conversation_id[]
WITH copies AS (
    DELETE FROM timeline_copy_v1
     WHERE conversation_id = ANY ($1::text[])
    RETURNING user_id, conversation_id
), owners AS (
    SELECT DISTINCT user_id, conversation_id
      FROM copies
), reads AS (
    DELETE FROM timeline_read_v1 AS r
     USING owners AS o
     WHERE r.user_id = o.user_id
       AND r.conversation_id = o.conversation_id
), follow_ups AS (
    DELETE FROM timeline_follow_up_v1 AS f
     USING owners AS o
     WHERE f.user_id = o.user_id
       AND f.conversation_id = o.conversation_id
), internals AS (
    DELETE FROM timeline_internal_v1
     WHERE conversation_id = ANY ($1::text[])
)
DELETE FROM timeline_change_v1
 WHERE conversation_id = ANY ($1::text[]);

-- end_copies --
-- Copies that were there before the run, of people who left.
--   $1 user_id[]  $2 conversation_id[]  $3 position[]
UPDATE timeline_copy_v1 AS c
   SET until = n.position
  FROM unnest($1::text[], $2::text[], $3::bigint[]) AS n (user_id, conversation_id, position)
 WHERE c.user_id = n.user_id
   AND c.conversation_id = n.conversation_id
   AND c.since < n.position
   AND c.until > n.position;

-- add_copies --
-- Copies that came within the run; some of them went within it too. One that is there already is ended when this run
-- knows of its end and the one that added it did not.
--   $1 partition  $2 user_id[]  $3 conversation_id[]  $4 key[]  $5 version[]  $6 read[]  $7 since[]  $8 until[]
INSERT INTO timeline_copy_v1 AS c (partition, user_id, conversation_id, key, version, read, since, until)
SELECT $1, n.*
  FROM unnest($2::text[], $3::text[], $4::uuid[], $5::int[], $6::int[], $7::bigint[], $8::bigint[]) AS n
ON CONFLICT (user_id, conversation_id, since) DO UPDATE
   SET until = excluded.until
 WHERE c.until > excluded.until;

-- keep_first_changes --
-- Conversations that began within the run, as they were after each event that changed them.
--   $1 conversation_id[]  $2 position[]  $3 version[]  $4 status[]  $5 priority[]  $6 assignee[]  $7 message_count[]
--   $8 last_updated[]  $9 last_message[]  $10 last_sender[]  $11 last_updated_all[]  $12 last_message_all[]
--   $13 last_sender_all[]  $14 posted[]  $15 by_another[]  $16 internal[]
INSERT INTO timeline_change_v1 (
       conversation_id, position, version, status, priority, assignee, message_count, last_updated, last_message,
       last_sender, last_updated_all, last_message_all, last_sender_all, posted, by_another, internal)
SELECT *
  FROM unnest($1::text[], $2::bigint[], $3::int[], $4::text[], $5::text[], $6::text[], $7::int[], $8::timestamptz[],
              $9::timestamptz[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::int[],
              $15::int[], $16::int[])
ON CONFLICT (conversation_id, position) DO NOTHING;

-- keep_changes --
-- Conversations that were there before the run, as they were after each event that changed them. What the run has not
-- said by then is as it was before: NULL for a value; a sender and an assignee may be nobody, so the time of the message
-- and a flag say whether they were named.
--   $1 conversation_id[]  $2 position before the run[]  $3 position[]  $4 version[]
--   $5 status[]  $6 priority[]  $7 whether assigned anew[]  $8 assignee[]  $9 messages for everybody added[]
--   $10 last_updated[]  $11 last_message[]  $12 last_sender[]  $13 last_updated_all[]  $14 last_message_all[]
--   $15 last_sender_all[]  $16 version of the latest message for everybody, 0 if none[]
--   $17 of the latest of those by anybody else than its sender, 0 if none[]  $18 of the latest internal one, 0 if none[]
INSERT INTO timeline_change_v1 (
       conversation_id, position, version, status, priority, assignee, message_count, last_updated, last_message,
       last_sender, last_updated_all, last_message_all, last_sender_all, posted, by_another, internal)
SELECT n.conversation_id,
       n.position,
       n.version,
       coalesce(n.status, b.status),
       coalesce(n.priority, b.priority),
       CASE WHEN n.assigned THEN n.assignee ELSE b.assignee END,
       b.message_count + n.added,
       coalesce(n.last_updated, b.last_updated),
       coalesce(n.last_message, b.last_message),
       CASE WHEN n.last_message IS NULL THEN b.last_sender ELSE n.last_sender END,
       coalesce(n.last_updated_all, b.last_updated_all),
       coalesce(n.last_message_all, b.last_message_all),
       CASE WHEN n.last_message_all IS NULL THEN b.last_sender_all ELSE n.last_sender_all END,
       greatest(n.posted, b.posted),
       CASE
           WHEN n.posted = 0 THEN b.by_another
           WHEN n.by_another > 0 THEN n.by_another
           WHEN n.last_sender IS NOT DISTINCT FROM b.last_sender THEN b.by_another
           ELSE b.posted
       END,
       greatest(n.internal, b.internal)
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::int[], $5::text[], $6::text[], $7::bool[], $8::text[],
              $9::int[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::timestamptz[], $14::timestamptz[],
              $15::text[], $16::int[], $17::int[], $18::int[])
       AS n (conversation_id, before, position, version, status, priority, assigned, assignee, added, last_updated,
             last_message, last_sender, last_updated_all, last_message_all, last_sender_all, posted, by_another,
             internal)
  JOIN LATERAL (
           SELECT c.*
             FROM timeline_change_v1 AS c
            WHERE c.conversation_id = n.conversation_id
              AND c.position <= n.before
            ORDER BY c.position DESC
            LIMIT 1
       ) AS b
    ON true
ON CONFLICT (conversation_id, position) DO NOTHING;

-- keep_internals --
--   $1 conversation_id[]  $2 version[]  $3 position[]  $4 whom it made unread for, each an array as text[]
INSERT INTO timeline_internal_v1 (conversation_id, version, position, unread_for)
SELECT n.conversation_id, n.version, n.position, n.unread_for::text[]
  FROM unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) AS n (conversation_id, version, position, unread_for)
ON CONFLICT (conversation_id, version) DO NOTHING;

-- keep_reads --
--   $1 user_id[]  $2 conversation_id[]  $3 position[]  $4 up to which version, 0 for unread[]
INSERT INTO timeline_read_v1 (user_id, conversation_id, position, up_to)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::int[])
ON CONFLICT (user_id, conversation_id, position) DO NOTHING;

-- keep_follow_ups --
--   $1 user_id[]  $2 conversation_id[]  $3 position[]  $4 follow-up[]
INSERT INTO timeline_follow_up_v1 (user_id, conversation_id, position, follow_up)
SELECT *
  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bool[])
ON CONFLICT (user_id, conversation_id, position) DO NOTHING;
