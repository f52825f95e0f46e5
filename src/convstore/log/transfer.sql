-- snapshot --
BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;

-- page --
-- Stored events of a partition, in order.
--   $1 partition  $2 after position  $3 up to position  $4 at most
SELECT recorded_at, partition, position, stream, version, type, data, meta
  FROM event
 WHERE partition = $1
   AND position > $2
   AND position <= $3
 ORDER BY position
 LIMIT $4;

-- import_events --
-- migrations/0007_audit.sql tells what the arguments are.
--   $1 partition  $2 after position  $3 … $8 events  $9 whether times must be as they are
SELECT import_events($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- importing --
-- Which import is unfinished, if one is.
SELECT value
  FROM store
 WHERE name = 'importing';

-- begin_import --
-- From now on no server opens this store, until the import is finished.
--   $1 which import
INSERT INTO store (name, value)
VALUES ('importing', $1)
ON CONFLICT (name) DO NOTHING;

-- adopt --
-- Makes this store the one that was exported.
--   $1 id  $2 secret
UPDATE store
   SET value = CASE name WHEN 'id' THEN $1 ELSE $2 END
 WHERE name IN ('id', 'secret');

-- finish_import --
DELETE FROM store
 WHERE name = 'importing';

-- forget_deliveries --
-- A channel without checkpoints begins at the end of the log: nothing that was imported is ever sent.
DELETE FROM delivery_checkpoint;

-- move_subscriptions --
-- Subscriptions that were made before go on at the end of the log, too.
UPDATE subscription_place AS s
   SET position = h.position
  FROM head h
 WHERE h.partition = s.partition;

-- move_subscription_checkpoints --
UPDATE subscription_checkpoint AS s
   SET position = h.position,
       hash = h.hash
  FROM head h
 WHERE h.partition = s.partition;
