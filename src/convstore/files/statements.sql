-- What is known of files: their rows, from the first byte of an upload to the sweep. Every statement may run twice.

-- begin --
-- A file is about to come; no row when its id is taken, or when its owner has too many that no message took.
--   $1 id  $2 owner  $3 name  $4 content type  $5 storage key  $6 most that may wait
INSERT INTO file_resource (id, owner, name, content_type, storage_key)
SELECT $1, $2, $3, $4, $5
 WHERE (SELECT count(*) FROM file_resource WHERE owner = $2 AND NOT taken) < $6
ON CONFLICT (id) DO NOTHING
RETURNING id;

-- complete --
-- All its bytes are there.
--   $1 id  $2 storage key  $3 length  $4 md5  $5 sha256
UPDATE file_resource
   SET stored = now(),
       length = $3,
       md5    = $4,
       sha256 = $5
 WHERE id = $1
   AND storage_key = $2
   AND NOT doomed
RETURNING *;

-- abandon --
-- An upload broke off.
--   $1 id  $2 storage key
DELETE FROM file_resource
 WHERE id = $1
   AND storage_key = $2
   AND stored IS NULL;

-- find --
--   $1 ids[]
SELECT *
  FROM file_resource
 WHERE id = ANY ($1::text[])
   AND stored IS NOT NULL
   AND NOT doomed;

-- exists --
-- Whether an id is taken, by a file that is still coming or going too.
--   $1 id
SELECT EXISTS (SELECT FROM file_resource WHERE id = $1);

-- lock --
-- The rows of these files, locked until the transaction ends, in one order, so that two who ask for the same files
-- wait for each other and never in a ring. lapsed: it was asked for so long ago that the log will tell.
--   $1 ids[]  $2 for how long a reservation holds
SELECT *,
       COALESCE(reserved < now() - $2::interval, false) AS lapsed
  FROM file_resource
 WHERE id = ANY ($1::text[])
   AND stored IS NOT NULL
   AND NOT doomed
 ORDER BY id
   FOR UPDATE;

-- reserve --
-- For one message; called with the rows locked and looked at.
--   $1 ids[]  $2 conversation id  $3 message id
UPDATE file_resource
   SET conversation_id = $2,
       message_id      = $3,
       reserved        = now()
 WHERE id = ANY ($1::text[])
   AND NOT taken;

-- confirm --
-- The message was posted with them. Locked in the order of ``lock``: no ring with those who ask for the same files.
--   $1 ids[]  $2 message id
WITH held AS (
    SELECT id
      FROM file_resource
     WHERE id = ANY ($1::text[])
       AND message_id = $2
       AND NOT taken
     ORDER BY id
       FOR UPDATE
)
UPDATE file_resource AS f
   SET taken = true
  FROM held
 WHERE f.id = held.id;

-- release --
-- The message was not posted, and never will be. Locked in order, too.
--   $1 ids[]  $2 message id
WITH held AS (
    SELECT id
      FROM file_resource
     WHERE id = ANY ($1::text[])
       AND message_id = $2
       AND NOT taken
     ORDER BY id
       FOR UPDATE
)
UPDATE file_resource AS f
   SET conversation_id = NULL,
       message_id      = NULL,
       reserved        = NULL
  FROM held
 WHERE f.id = held.id;

-- posted --
-- Whether the log has a message with this file.
--   $1 partition  $2 conversation id  $3 message id  $4 file id
SELECT EXISTS (
       SELECT
         FROM event AS e
        WHERE e.partition = $1
          AND e.stream = $2
          AND e.type = 'message-posted'
          AND e.data ->> 'message_id' = $3
          AND EXISTS (SELECT
                        FROM json_array_elements(e.data -> 'attachments') AS a (file)
                       WHERE a.file ->> 'id' = $4));

-- overdue --
-- Reservations of which nothing was heard since.
--   $1 for how long  $2 most of them
SELECT id, conversation_id, message_id
  FROM file_resource
 WHERE NOT taken
   AND reserved < now() - $1::interval
 LIMIT $2;

-- due --
-- Whether it is time to sweep, and ours to do it: TRUE for one process only.
--   $1 how often
UPDATE file_sweep
   SET begun = now()
 WHERE begun < now() - $1::interval
RETURNING true;

-- doom_unused --
-- What broke off, and what no message took in all this time. Rows of sweeps that broke off come again.
--   $1 how long an upload may take  $2 how long a file may wait  $3 most of them
UPDATE file_resource
   SET doomed = true
 WHERE id IN (SELECT id
                FROM file_resource
               WHERE NOT taken
                 AND (doomed
                      OR (stored IS NULL AND created < now() - $1::interval)
                      OR (message_id IS NULL AND stored < now() - $2::interval))
               LIMIT $3
                 FOR UPDATE SKIP LOCKED)
RETURNING id, storage_key;

-- conversations --
-- The conversations that have files, a page of them.
--   $1 after this one  $2 most of them
SELECT DISTINCT conversation_id
  FROM file_resource
 WHERE taken
   AND conversation_id > $1
 ORDER BY conversation_id
 LIMIT $2;

-- deleted --
-- Those of these conversations that the log says were deleted.
--   $1 partition[]  $2 conversation id[]
SELECT wanted.id
  FROM unnest($1::int[], $2::text[]) AS wanted (partition, id)
 WHERE EXISTS (SELECT
                 FROM event AS e
                WHERE e.partition = wanted.partition
                  AND e.stream = wanted.id
                  AND e.type = 'conversation-deleted');

-- doom_of_conversations --
-- The files of conversations that are gone for everybody.
--   $1 conversation ids[]
UPDATE file_resource
   SET doomed = true
 WHERE taken
   AND conversation_id = ANY ($1::text[])
RETURNING id, storage_key;

-- forget --
-- Their bytes are gone.
--   $1 ids[]
DELETE FROM file_resource
 WHERE id = ANY ($1::text[])
   AND doomed;
