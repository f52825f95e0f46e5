-- How the changes of a fold come into the tables. Every statement may run twice, or again as part of a longer run of
-- events, without effect: rows know the position of the last event that changed them. Counters change by what the
-- statement really changed, in the order of their keys.

-- delete_conversations --
-- Conversations that are gone for everybody: header, copies and what they count for; each copy leaves a tombstone.
--   $1 partition  $2 conversation_id[]  $3 position[]  $4 when[]
WITH deleted AS (
    SELECT *
      FROM unnest($2::text[], $3::bigint[], $4::timestamptz[]) AS d (conversation_id, position, at)
), headers AS (
    DELETE FROM inbox_conversation_v1 AS h
     USING deleted AS d
     WHERE h.conversation_id = d.conversation_id
       AND h.position < d.position
), gone AS (
    DELETE FROM inbox_v1 AS i
     USING deleted AS d
     WHERE i.conversation_id = d.conversation_id
       AND i.position < d.position
    RETURNING i.user_id, i.conversation_id, i.message_type, i.unread, i.unread_all, d.position, d.at
), buried AS (
    INSERT INTO inbox_gone_v1 AS t (user_id, conversation_id, partition, position, ends)
    SELECT user_id, conversation_id, $1, position,
           -- A large audience's at different times, so that no clearing has them all to clear.
           at + interval '720 hours' + interval '5 minutes' * get_byte(sha256(convert_to(user_id, 'UTF8')), 0)
      FROM gone
    ON CONFLICT (user_id, conversation_id) DO UPDATE
       SET position = excluded.position,
           ends     = excluded.ends
     WHERE t.position < excluded.position
), lost AS (
    SELECT user_id, message_type, count(*) AS total,
           count(*) FILTER (WHERE unread) AS unread, count(*) FILTER (WHERE unread_all) AS unread_all
      FROM gone
     GROUP BY user_id, message_type
), emptied AS (
    DELETE FROM inbox_count_v1 AS c
     USING lost AS l
     WHERE c.user_id = l.user_id
       AND c.message_type = l.message_type
       AND c.partition = $1
       AND c.total = l.total
)
UPDATE inbox_count_v1 AS c
   SET total      = c.total - l.total,
       unread     = c.unread - l.unread,
       unread_all = c.unread_all - l.unread_all
  FROM lost AS l
 WHERE c.user_id = l.user_id
   AND c.message_type = l.message_type
   AND c.partition = $1
   AND c.total > l.total;

-- start_conversations --
-- Headers of conversations that began, as they are at the end of the run.
--   $1 partition  $2 conversation_id[]  $3 message_type[]  $4 subject[]  $5 status[]  $6 priority[]  $7 assignee[]
--   $8 external_id[]  $9 created[]  $10 created_by[]  $11 message_count[]  $12 last_updated[]  $13 last_message[]
--   $14 last_sender[]  $15 last_updated_all[]  $16 last_message_all[]  $17 last_sender_all[]  $18 version[]
--   $19 position[]
INSERT INTO inbox_conversation_v1 AS h (
       partition, conversation_id, message_type, subject, status, priority, assignee, external_id, created, created_by,
       message_count, last_updated, last_message, last_sender, last_updated_all, last_message_all, last_sender_all,
       version, position)
SELECT $1, n.*
  FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
              $10::text[], $11::int[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::timestamptz[],
              $16::timestamptz[], $17::text[], $18::int[], $19::bigint[]) AS n
ON CONFLICT (conversation_id) DO UPDATE
   SET status           = excluded.status,
       priority         = excluded.priority,
       assignee         = excluded.assignee,
       message_count    = excluded.message_count,
       last_updated     = excluded.last_updated,
       last_message     = excluded.last_message,
       last_sender      = excluded.last_sender,
       last_updated_all = excluded.last_updated_all,
       last_message_all = excluded.last_message_all,
       last_sender_all  = excluded.last_sender_all,
       version          = excluded.version,
       position         = excluded.position
 WHERE h.position < excluded.position;

-- change_conversations --
-- Headers that were there before the run. NULL leaves a value as it is; a sender and an assignee may be nobody, so the
-- time of the message and a flag say whether they changed.
--   $1 conversation_id[]  $2 status[]  $3 priority[]  $4 whether assigned anew[]  $5 assignee[]
--   $6 positions of the messages for everybody, each an array as text[]  $7 last_updated[]  $8 last_message[]
--   $9 last_sender[]  $10 last_updated_all[]  $11 last_message_all[]  $12 last_sender_all[]  $13 version[]
--   $14 position[]
UPDATE inbox_conversation_v1 AS h
   SET status           = coalesce(n.status, h.status),
       priority         = coalesce(n.priority, h.priority),
       assignee         = CASE WHEN n.assigned THEN n.assignee ELSE h.assignee END,
       message_count    = h.message_count
                        + (SELECT count(*) FROM unnest(n.posted::bigint[]) AS p (position) WHERE p.position > h.position),
       last_updated     = coalesce(n.last_updated, h.last_updated),
       last_message     = coalesce(n.last_message, h.last_message),
       last_sender      = CASE WHEN n.last_message IS NULL THEN h.last_sender ELSE n.last_sender END,
       last_updated_all = coalesce(n.last_updated_all, h.last_updated_all),
       last_message_all = coalesce(n.last_message_all, h.last_message_all),
       last_sender_all  = CASE WHEN n.last_message_all IS NULL THEN h.last_sender_all ELSE n.last_sender_all END,
       version          = n.version,
       position         = n.position
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::text[], $6::text[], $7::timestamptz[],
              $8::timestamptz[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::text[], $13::int[],
              $14::bigint[])
       AS n (conversation_id, status, priority, assigned, assignee, posted, last_updated, last_message, last_sender,
             last_updated_all, last_message_all, last_sender_all, version, position)
 WHERE h.conversation_id = n.conversation_id
   AND h.position < n.position;

-- remove_copies --
-- Copies of people who left within the run, whether or not they came back; each leaves a tombstone, also one that came
-- and went within the run.
--   $1 partition  $2 user_id[]  $3 conversation_id[]  $4 position[]  $5 when[]
WITH removed AS (
    SELECT *
      FROM unnest($2::text[], $3::text[], $4::bigint[], $5::timestamptz[])
           AS r (user_id, conversation_id, position, at)
), buried AS (
    INSERT INTO inbox_gone_v1 AS t (user_id, conversation_id, partition, position, ends)
    SELECT user_id, conversation_id, $1, position,
           -- A large audience's at different times, so that no clearing has them all to clear.
           at + interval '720 hours' + interval '5 minutes' * get_byte(sha256(convert_to(user_id, 'UTF8')), 0)
      FROM removed
    ON CONFLICT (user_id, conversation_id) DO UPDATE
       SET position = excluded.position,
           ends     = excluded.ends
     WHERE t.position < excluded.position
), gone AS (
    DELETE FROM inbox_v1 AS i
     USING removed AS r
     WHERE i.user_id = r.user_id
       AND i.conversation_id = r.conversation_id
       AND i.position < r.position
    RETURNING i.user_id, i.message_type, i.unread, i.unread_all
), lost AS (
    SELECT user_id, message_type, count(*) AS total,
           count(*) FILTER (WHERE unread) AS unread, count(*) FILTER (WHERE unread_all) AS unread_all
      FROM gone
     GROUP BY user_id, message_type
), emptied AS (
    DELETE FROM inbox_count_v1 AS c
     USING lost AS l
     WHERE c.user_id = l.user_id
       AND c.message_type = l.message_type
       AND c.partition = $1
       AND c.total = l.total
)
UPDATE inbox_count_v1 AS c
   SET total      = c.total - l.total,
       unread     = c.unread - l.unread,
       unread_all = c.unread_all - l.unread_all
  FROM lost AS l
 WHERE c.user_id = l.user_id
   AND c.message_type = l.message_type
   AND c.partition = $1
   AND c.total > l.total;

-- add_copies --
-- Copies of people who came, as they are at the end of the run; what all copies repeat is taken from the header. A copy
-- that somebody had before he left and came back, within the run, is replaced.
--   $1 partition  $2 user_id[]  $3 conversation_id[]  $4 key[]  $5 unread[]  $6 unread_all[]  $7 follow_up[]
--   $8 public_version[]  $9 internal_version[]  $10 position[]  $11 changed[]
WITH added AS (
    SELECT *
      FROM unnest($2::text[], $3::text[], $4::uuid[], $5::bool[], $6::bool[], $7::bool[], $8::int[], $9::int[],
                  $10::bigint[], $11::bigint[])
           AS a (user_id, conversation_id, key, unread, unread_all, follow_up, public_version, internal_version,
                 position, changed)
), replaced AS (
    SELECT i.user_id, i.message_type, i.unread, i.unread_all
      FROM added AS a
      JOIN inbox_v1 AS i
        ON i.user_id = a.user_id
       AND i.conversation_id = a.conversation_id
       AND i.position < a.position
), written AS (
    INSERT INTO inbox_v1 AS i (
           user_id, conversation_id, partition, key, message_type, subject, status, priority, assignee, external_id,
           created, created_by, message_count, last_updated, last_message, last_sender, last_updated_all,
           last_message_all, last_sender_all, unread, unread_all, follow_up, public_version, internal_version, position,
           changed)
    SELECT a.user_id, a.conversation_id, h.partition, a.key, h.message_type, h.subject, h.status, h.priority,
           h.assignee, h.external_id, h.created, h.created_by, h.message_count, h.last_updated, h.last_message,
           h.last_sender, h.last_updated_all, h.last_message_all, h.last_sender_all, a.unread, a.unread_all,
           a.follow_up, a.public_version, a.internal_version, a.position, a.changed
      FROM added AS a
      JOIN inbox_conversation_v1 AS h
        ON h.conversation_id = a.conversation_id
    ON CONFLICT (user_id, conversation_id) DO UPDATE
       SET key              = excluded.key,
           status           = excluded.status,
           priority         = excluded.priority,
           assignee         = excluded.assignee,
           message_count    = excluded.message_count,
           last_updated     = excluded.last_updated,
           last_message     = excluded.last_message,
           last_sender      = excluded.last_sender,
           last_updated_all = excluded.last_updated_all,
           last_message_all = excluded.last_message_all,
           last_sender_all  = excluded.last_sender_all,
           unread           = excluded.unread,
           unread_all       = excluded.unread_all,
           follow_up        = excluded.follow_up,
           public_version   = excluded.public_version,
           internal_version = excluded.internal_version,
           position         = excluded.position,
           changed          = excluded.changed
     WHERE i.position < excluded.position
    RETURNING i.user_id, i.message_type, i.unread, i.unread_all
), counted AS (
    SELECT user_id, message_type, 1 AS total, unread::int AS unread, unread_all::int AS unread_all
      FROM written
     UNION ALL
    SELECT user_id, message_type, -1, -unread::int, -unread_all::int
      FROM replaced
)
INSERT INTO inbox_count_v1 AS c (user_id, message_type, partition, total, unread, unread_all)
SELECT user_id, message_type, $1, sum(total), sum(unread), sum(unread_all)
  FROM counted
 GROUP BY user_id, message_type
HAVING sum(total) <> 0
    OR sum(unread) <> 0
    OR sum(unread_all) <> 0
 ORDER BY user_id, message_type
ON CONFLICT (user_id, message_type, partition) DO UPDATE
   SET total      = c.total + excluded.total,
       unread     = c.unread + excluded.unread,
       unread_all = c.unread_all + excluded.unread_all;

-- mark_copies --
-- Copies to which something of their own happened in the run: read, marked unread, followed up, named by an internal
-- message. Runs before change_copies and does for these copies all that it does for the others.
--   $1 partition  $2 user_id[]  $3 conversation_id[]  $4 read up to this version, NULL if not[]
--   $5 whether marked unread, after that[]  $6 latest message for everybody by somebody else, 0 if none[]
--   $7 latest internal message that named this person, 0 if none[]  $8 follow-up, NULL if unchanged[]
--   $9 position, of the latest event that changed this copy[]  $10 of the latest that was not an internal message[]
WITH before AS (
    SELECT m.*, h.status, h.priority, h.assignee, h.message_count, h.last_updated, h.last_message, h.last_sender,
           h.last_updated_all, h.last_message_all, h.last_sender_all,
           o.unread, o.unread_all
      FROM unnest($2::text[], $3::text[], $4::int[], $5::bool[], $6::int[], $7::int[], $8::bool[], $9::bigint[],
                  $10::bigint[])
           AS m (user_id, conversation_id, read, made_unread, posted, named, follow_up, position, changed)
      JOIN inbox_conversation_v1 AS h
        ON h.conversation_id = m.conversation_id
      JOIN inbox_v1 AS o
        ON o.user_id = m.user_id
       AND o.conversation_id = m.conversation_id
       AND o.position < m.position
), written AS (
    UPDATE inbox_v1 AS i
       SET status           = b.status,
           priority         = b.priority,
           assignee         = b.assignee,
           message_count    = b.message_count,
           last_updated     = b.last_updated,
           last_message     = b.last_message,
           last_sender      = b.last_sender,
           last_updated_all = b.last_updated_all,
           last_message_all = b.last_message_all,
           last_sender_all  = b.last_sender_all,
           unread           = b.made_unread
                           OR CASE
                                  WHEN b.read IS NULL THEN i.unread OR b.posted > i.public_version
                                  ELSE greatest(i.public_version, b.posted) > b.read
                              END,
           unread_all       = b.made_unread
                           OR CASE
                                  WHEN b.read IS NULL THEN i.unread_all OR b.posted > i.public_version
                                                        OR b.named > i.internal_version
                                  ELSE greatest(i.public_version, b.posted, i.internal_version, b.named) > b.read
                              END,
           follow_up        = coalesce(b.follow_up, i.follow_up),
           public_version   = greatest(i.public_version, b.posted),
           internal_version = greatest(i.internal_version, b.named),
           position         = b.position,
           changed          = greatest(i.changed, b.changed)
      FROM before AS b
     WHERE i.user_id = b.user_id
       AND i.conversation_id = b.conversation_id
    RETURNING i.user_id, i.message_type, i.unread::int - b.unread::int AS unread,
              i.unread_all::int - b.unread_all::int AS unread_all
)
INSERT INTO inbox_count_v1 AS c (user_id, message_type, partition, total, unread, unread_all)
SELECT user_id, message_type, $1, 0, sum(unread), sum(unread_all)
  FROM written
 WHERE unread <> 0
    OR unread_all <> 0
 GROUP BY user_id, message_type
 ORDER BY user_id, message_type
ON CONFLICT (user_id, message_type, partition) DO UPDATE
   SET unread     = c.unread + excluded.unread,
       unread_all = c.unread_all + excluded.unread_all;

-- change_copies --
-- All other copies of conversations that changed: the header's values, and unread for everybody but a message's sender.
--   $1 partition  $2 conversation_id[]  $3 version of the latest message for everybody, 0 if none[]  $4 its sender[]
--   $5 version of the latest message for everybody by anybody else than him, 0 if none[]  $6 position[]
--   $7 position without internal messages, 0 if there was nothing else[]
WITH before AS (
    SELECT o.user_id, o.conversation_id, o.unread, o.unread_all, n.position, n.changed,
           CASE WHEN o.user_id = n.sender THEN n.by_another ELSE n.posted END AS posted,
           h.status, h.priority, h.assignee, h.message_count, h.last_updated, h.last_message, h.last_sender,
           h.last_updated_all, h.last_message_all, h.last_sender_all
      FROM unnest($2::text[], $3::int[], $4::text[], $5::int[], $6::bigint[], $7::bigint[])
           AS n (conversation_id, posted, sender, by_another, position, changed)
      JOIN inbox_conversation_v1 AS h
        ON h.conversation_id = n.conversation_id
      JOIN inbox_v1 AS o
        ON o.conversation_id = n.conversation_id
       AND o.position < n.position
), written AS (
    UPDATE inbox_v1 AS i
       SET status           = b.status,
           priority         = b.priority,
           assignee         = b.assignee,
           message_count    = b.message_count,
           last_updated     = b.last_updated,
           last_message     = b.last_message,
           last_sender      = b.last_sender,
           last_updated_all = b.last_updated_all,
           last_message_all = b.last_message_all,
           last_sender_all  = b.last_sender_all,
           unread           = i.unread OR b.posted > i.public_version,
           unread_all       = i.unread_all OR b.posted > i.public_version,
           public_version   = greatest(i.public_version, b.posted),
           position         = b.position,
           changed          = greatest(i.changed, b.changed)
      FROM before AS b
     WHERE i.user_id = b.user_id
       AND i.conversation_id = b.conversation_id
    RETURNING i.user_id, i.message_type, i.unread::int - b.unread::int AS unread,
              i.unread_all::int - b.unread_all::int AS unread_all
)
INSERT INTO inbox_count_v1 AS c (user_id, message_type, partition, total, unread, unread_all)
SELECT user_id, message_type, $1, 0, sum(unread), sum(unread_all)
  FROM written
 WHERE unread <> 0
    OR unread_all <> 0
 GROUP BY user_id, message_type
 ORDER BY user_id, message_type
ON CONFLICT (user_id, message_type, partition) DO UPDATE
   SET unread     = c.unread + excluded.unread,
       unread_all = c.unread_all + excluded.unread_all;

-- clear_tombstones --
-- Tombstones that have had their time.
--   $1 partition  $2 now, as the log has it
DELETE FROM inbox_gone_v1
 WHERE partition = $1
   AND ends <= $2::timestamptz;
