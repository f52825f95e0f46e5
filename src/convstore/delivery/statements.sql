-- Delivery: who leads a channel, how far it has come in the log, and what became of each message to each person.

-- leader --
-- Who leads a channel, and whether his lease has run out.
--   $1 channel
SELECT owner, epoch, lease_until < clock_timestamp() AS lease_over, trouble
  FROM delivery_leader
 WHERE channel = $1;

-- introduce --
-- Makes a channel known; nothing, when it is.
--   $1 channel
INSERT INTO delivery_leader (channel)
VALUES ($1)
    ON CONFLICT (channel) DO NOTHING;

-- lead --
-- Takes the lead of a channel: it is free, ours, left by a process that is gone, or its lease has run out. The new epoch
-- keeps out whoever had it before.
--   $1 channel  $2 owner  $3 an owner who is gone  $4 lease in seconds
UPDATE delivery_leader
   SET owner       = $2,
       epoch       = epoch + 1,
       lease_until = clock_timestamp() + make_interval(secs => $4::float8)
 WHERE channel = $1
   AND (owner IN ('', $2, $3) OR lease_until < clock_timestamp())
RETURNING epoch;

-- renew --
-- Says that the leader is still there.
--   $1 channel  $2 epoch  $3 lease in seconds
UPDATE delivery_leader
   SET lease_until = clock_timestamp() + make_interval(secs => $3::float8)
 WHERE channel = $1
   AND epoch = $2
RETURNING epoch;

-- resign --
-- Gives the lead back, so that another process may take it at once.
--   $1 channel  $2 epoch
UPDATE delivery_leader
   SET owner       = '',
       lease_until = '-infinity'
 WHERE channel = $1
   AND epoch = $2;

-- fence --
-- Keeps everybody else from taking the lead until the end of the transaction; no row when somebody has.
--   $1 channel  $2 epoch
SELECT epoch
  FROM delivery_leader
 WHERE channel = $1
   AND epoch = $2
   FOR SHARE;

-- note_trouble --
-- Notes why the mail server or the gateway takes nothing, or with NULL that it takes mails again.
--   $1 channel  $2 epoch  $3 reason or NULL  $4 seconds for which it is left alone
UPDATE delivery_leader
   SET trouble     = $3::text,
       troubled_at = CASE WHEN $3::text IS NOT NULL THEN coalesce(troubled_at, clock_timestamp()) END,
       rests_until = CASE WHEN $3::text IS NOT NULL THEN clock_timestamp() + make_interval(secs => $4::float8) END
 WHERE channel = $1
   AND epoch = $2
   AND (trouble IS NOT NULL OR $3::text IS NOT NULL);

-- begin --
-- Lets a channel begin at the end of the log, in the partitions where it has not begun.
--   $1 channel
INSERT INTO delivery_checkpoint (channel, partition, position, hash)
SELECT $1, h.partition, h.position, h.hash
  FROM head h
    ON CONFLICT (partition, channel) DO NOTHING;

-- switch_off --
-- Forgets how far channels have come that are switched off, unless somebody leads them: switched on again, they begin at
-- the end of the log, not with what was said meanwhile. What was not sent yet is not sent later either.
--   $1 channels that are switched on[]
WITH off AS (
    SELECT channel
      FROM delivery_leader
     WHERE channel <> ALL ($1::text[])
       AND (owner = '' OR lease_until < clock_timestamp())
), dropped AS (
    UPDATE delivery AS d
       SET state   = 'skipped',
           reason  = 'channel off',
           changed = clock_timestamp()
      FROM off
     WHERE d.channel = off.channel
       AND d.state = 'waiting'
)
DELETE FROM delivery_checkpoint AS c
 USING off
 WHERE c.channel = off.channel;

-- places --
-- How far a channel has come in each partition, on which history, beside what the log has there.
--   $1 channel
SELECT c.partition, c.position, c.hash, c.stopped, h.position AS head,
       (SELECT b.hash
          FROM batch b
         WHERE b.partition = c.partition
           AND b.last_position >= c.position
         ORDER BY b.last_position
         LIMIT 1) AS log_hash
  FROM delivery_checkpoint c
  JOIN head h
    ON h.partition = c.partition
 WHERE c.channel = $1
 ORDER BY c.partition;

-- move --
-- Moves a channel forward in one partition; in the transaction that writes its rows, behind the fence.
--   $1 channel  $2 partition  $3 position now  $4 position then
UPDATE delivery_checkpoint
   SET position = $4,
       moved_at = clock_timestamp(),
       hash     = (SELECT b.hash
                     FROM batch b
                    WHERE b.partition = $2
                      AND b.last_position >= $4
                    ORDER BY b.last_position
                    LIMIT 1)
 WHERE channel = $1
   AND partition = $2
   AND position = $3
RETURNING position;

-- stop --
-- Notes why a channel goes no further in a partition.
--   $1 channel  $2 partition  $3 reason
UPDATE delivery_checkpoint
   SET stopped = $3
 WHERE channel = $1
   AND partition = $2;

-- resume --
-- Lets channels go on where they have stopped.
UPDATE delivery_checkpoint
   SET stopped = NULL
 WHERE stopped IS NOT NULL
RETURNING channel, partition;

-- skip_to_end --
-- Lets channels that have stopped go on at the end of the log, whatever lies between.
UPDATE delivery_checkpoint AS c
   SET stopped  = NULL,
       position = h.position,
       hash     = h.hash
  FROM head h
 WHERE h.partition = c.partition
   AND c.stopped IS NOT NULL
RETURNING c.channel, c.partition;

-- beginnings --
-- Of conversations: the event that started each, and the version of its first message.
--   $1 partition  $2 conversation_id[]
SELECT w.stream, s.data, m.version AS first_version
  FROM unnest($2::text[]) AS w (stream)
  JOIN event s
    ON s.partition = $1
   AND s.stream = w.stream
   AND s.version = 1
 CROSS JOIN LATERAL (
           SELECT e.version
             FROM event e
            WHERE e.partition = $1
              AND e.stream = w.stream
              AND e.type = 'message-posted'
            ORDER BY e.version
            LIMIT 1
       ) AS m;

-- messages --
-- Events at these places.
--   $1 partition  $2 conversation_id[]  $3 version[]
SELECT w.stream, w.version, e.data
  FROM unnest($2::text[], $3::int[]) AS w (stream, version)
  JOIN event e
    ON e.partition = $1
   AND e.stream = w.stream
   AND e.version = w.version;

-- wanting --
-- Which of these people have an account that is not closed, and want to be told: by their own setting, else by the
-- system's of the same name, else not.
--   $1 user_id[]  $2 setting
SELECT a.id, coalesce(s.value, (SELECT d.value FROM setting d WHERE d.name = $2), 'false') = 'true' AS wants
  FROM unnest($1::text[]) AS w (id)
  JOIN account a
    ON a.id = w.id
   AND NOT a.disabled
  LEFT JOIN user_setting s
    ON s.user_id = a.id
   AND s.name = $2;

-- add --
-- Adds what is to be sent, once.
--   $1 partition  $2 channel  $3 conversation_id[]  $4 version[]  $5 message_id[]  $6 user_id[]  $7 forced[]
--   $8 internal[]
INSERT INTO delivery (partition, channel, conversation_id, version, message_id, user_id, forced, internal, due)
SELECT $1, $2, n.conversation_id, n.version, n.message_id, n.user_id, n.forced, n.internal, clock_timestamp()
  FROM unnest($3::text[], $4::int[], $5::text[], $6::text[], $7::boolean[], $8::boolean[])
       AS n (conversation_id, version, message_id, user_id, forced, internal)
    ON CONFLICT (partition, conversation_id, user_id, channel, version) DO NOTHING;

-- claim --
-- Takes what is due, oldest first, to send it: written down before, so that a crash leaves a trace. Nothing when somebody
-- else leads the channel. earlier: the latest message of the conversation that was sent to this person before.
--   $1 channel  $2 epoch  $3 at most
WITH next AS (
    SELECT d.partition, d.conversation_id, d.user_id, d.version
      FROM delivery d
     WHERE d.channel = $1
       AND d.state = 'waiting'
       AND d.due <= clock_timestamp()
     ORDER BY d.due
     LIMIT $3
       FOR UPDATE SKIP LOCKED
), fence AS (
    SELECT l.epoch
      FROM delivery_leader l
     WHERE l.channel = $1
       AND l.epoch = $2
       FOR SHARE
)
UPDATE delivery AS d
   SET state    = 'sending',
       epoch    = $2,
       attempts = d.attempts + 1,
       changed  = clock_timestamp()
  FROM next AS n, fence
 WHERE d.partition = n.partition
   AND d.conversation_id = n.conversation_id
   AND d.user_id = n.user_id
   AND d.channel = $1
   AND d.version = n.version
RETURNING d.partition, d.conversation_id, d.user_id, d.version, d.message_id, d.forced, d.attempts, d.repeated,
          extract(epoch FROM clock_timestamp() - d.since)::float8 AS age,
          (SELECT e.message_id
             FROM delivery e
            WHERE e.partition = d.partition
              AND e.conversation_id = d.conversation_id
              AND e.user_id = d.user_id
              AND e.channel = d.channel
              AND e.version < d.version
              AND e.state = 'sent'
            ORDER BY e.version DESC
            LIMIT 1) AS earlier;

-- record --
-- Writes down what became of what this leader was sending. in_seconds: when it is due again, for what waits.
-- untried: it was not even offered, so the attempt does not count. repeated: it may have been sent; the next one is the
-- last.
--   $1 channel  $2 epoch  $3 partition[]  $4 conversation_id[]  $5 user_id[]  $6 version[]  $7 state[]  $8 reason[]
--   $9 in_seconds[]  $10 untried[]  $11 repeated[]
UPDATE delivery AS d
   SET state    = n.state,
       reason   = n.reason,
       due      = clock_timestamp() + make_interval(secs => n.in_seconds),
       attempts = d.attempts - n.untried::int,
       repeated = d.repeated OR n.repeated,
       changed  = clock_timestamp()
  FROM unnest($3::int[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::float8[], $10::boolean[],
              $11::boolean[])
       AS n (partition, conversation_id, user_id, version, state, reason, in_seconds, untried, repeated)
 WHERE d.partition = n.partition
   AND d.conversation_id = n.conversation_id
   AND d.user_id = n.user_id
   AND d.channel = $1
   AND d.version = n.version
   AND d.state = 'sending'
   AND d.epoch = $2;

-- recover --
-- Takes over what an earlier leader was sending when he died: nobody knows whether it was sent. Once it is sent again,
-- under the same Message-ID; a second time it is left to people.
--   $1 channel  $2 epoch
UPDATE delivery
   SET state    = CASE WHEN repeated THEN 'uncertain' ELSE 'waiting' END,
       reason   = 'interrupted',
       repeated = true,
       due      = clock_timestamp(),
       changed  = clock_timestamp()
 WHERE channel = $1
   AND state = 'sending'
   AND epoch < $2
RETURNING state;

-- next_due --
-- In how many seconds the next one is due, less than 0 when it is; NULL when nothing waits.
--   $1 channel
SELECT extract(epoch FROM min(due) - clock_timestamp())::float8
  FROM delivery
 WHERE channel = $1
   AND state = 'waiting';

-- people --
-- What it takes to write to these people.
--   $1 user_id[]  $2 setting
SELECT a.id, a.first_name, a.surname, a.email, a.phone_number, a.disabled,
       coalesce(s.value, (SELECT d.value FROM setting d WHERE d.name = $2), 'false') = 'true' AS wants
  FROM account a
  LEFT JOIN user_setting s
    ON s.user_id = a.id
   AND s.name = $2
 WHERE a.id = ANY ($1::text[]);

-- locale --
-- The language that a person chose, else the system's, else English.
--   $1 user_id or NULL
SELECT coalesce((SELECT u.value FROM user_setting u WHERE u.user_id = $1::text AND u.name = 'keyUiLocale'),
                (SELECT d.value FROM setting d WHERE d.name = 'keyUiLocale'),
                'en');

-- sender --
-- How a sender signs: name, units, e-mail address and phone.
--   $1 user_id
SELECT a.first_name || ' ' || a.surname AS name, a.email, a.phone_number,
       (SELECT string_agg(u.name, ', ' ORDER BY u.name)
          FROM organisation_unit_member m
          JOIN organisation_unit u
            ON u.id = m.unit_id
         WHERE m.user_id = a.id) AS units
  FROM account a
 WHERE a.id = $1;

-- setting --
--   $1 name
SELECT value
  FROM setting
 WHERE name = $1;

-- turn_off --
-- Notes that a person wants no more of it.
--   $1 user_id  $2 setting
INSERT INTO user_setting (user_id, name, value)
SELECT a.id, $2, 'false'
  FROM account a
 WHERE a.id = $1
    ON CONFLICT (user_id, name) DO UPDATE SET value = excluded.value;

-- bounce --
-- Notes that a mail which was sent came back.
--   $1 partition  $2 conversation_id  $3 user_id  $4 version  $5 reason
UPDATE delivery
   SET state   = 'bounced',
       reason  = $5,
       changed = clock_timestamp()
 WHERE partition = $1
   AND conversation_id = $2
   AND user_id = $3
   AND channel = 'email'
   AND version = $4
   AND state IN ('sent', 'sending', 'uncertain')
RETURNING state;

-- figures --
-- Each channel at a glance: what waits and since when, what is in hand, what never arrived, who sends, and what is wrong.
-- lag: events of the log that it has not looked at yet.
SELECT l.channel, l.owner, l.trouble, c.stopped, coalesce(c.lag, 0)::bigint AS lag, c.channel IS NOT NULL AS begun,
       (SELECT count(*) FROM delivery d WHERE d.channel = l.channel AND d.state = 'waiting') AS waiting,
       (SELECT count(*) FROM delivery d WHERE d.channel = l.channel AND d.state = 'sending') AS sending,
       (SELECT count(*)
          FROM delivery d
         WHERE d.channel = l.channel
           AND d.state IN ('failed', 'expired', 'uncertain', 'bounced')) AS dead,
       (SELECT extract(epoch FROM clock_timestamp() - min(d.created))::float8
          FROM delivery d
         WHERE d.channel = l.channel
           AND d.state IN ('waiting', 'sending')) AS oldest_seconds
  FROM delivery_leader l
  LEFT JOIN (SELECT p.channel, sum(greatest(h.position - p.position, 0)) AS lag, min(p.stopped) AS stopped
               FROM delivery_checkpoint p
               JOIN head h
                 ON h.partition = p.partition
              GROUP BY p.channel) AS c
    ON c.channel = l.channel
 ORDER BY l.channel;

-- listed --
-- What became of what was sent, newest change first.
--   $1 conversation_id or NULL  $2 state[] or NULL  $3 channel or NULL  $4 at most
SELECT conversation_id, message_id, user_id, channel, state, reason, attempts, due, created, changed
  FROM delivery
 WHERE ($1::text IS NULL OR conversation_id = $1)
   AND ($2::text[] IS NULL OR state = ANY ($2))
   AND ($3::text IS NULL OR channel = $3)
 ORDER BY changed DESC
 LIMIT $4;

-- retry --
-- Sends again what never arrived: of one conversation, to one person, of one channel, or all of it.
--   $1 conversation_id or NULL  $2 user_id or NULL  $3 channel or NULL
UPDATE delivery
   SET state    = 'waiting',
       reason   = 'retry asked for',
       repeated = false,
       attempts = 0,
       since    = clock_timestamp(),
       due      = clock_timestamp(),
       changed  = clock_timestamp()
 WHERE state IN ('failed', 'expired', 'uncertain', 'bounced')
   AND ($1::text IS NULL OR conversation_id = $1)
   AND ($2::text IS NULL OR user_id = $2)
   AND ($3::text IS NULL OR channel = $3)
RETURNING channel;

-- sweep --
-- Forgets what was done with so long ago; says how many.
--   $1 days  $2 at most
WITH old AS (
    SELECT partition, conversation_id, user_id, channel, version
      FROM delivery
     WHERE state NOT IN ('waiting', 'sending')
       AND changed < clock_timestamp() - make_interval(days => $1)
     ORDER BY changed
     LIMIT $2
), gone AS (
    DELETE FROM delivery d
     USING old
     WHERE d.partition = old.partition
       AND d.conversation_id = old.conversation_id
       AND d.user_id = old.user_id
       AND d.channel = old.channel
       AND d.version = old.version
    RETURNING 1
)
SELECT count(*)
  FROM gone;
