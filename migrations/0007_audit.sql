-- What operators and auditors ask: views on the log and what stands beside it; and what an import of a log needs. Adds
-- views, functions and a role: the release before works on it. First release.
--
-- The views have no text, subject or address in them, only ids, types, times and sizes. None names a table of a read
-- model: a rebuild exchanges those.

-- The conversations and what is theirs to show: how far each stream has come, when it began and last moved. One look-up
-- per row and end, so that a WHERE or LIMIT makes it cheap.
CREATE VIEW stream_summary AS
SELECT s.partition,
       s.stream,
       s.version AS events,
       first.recorded_at AS began_at,
       last.recorded_at AS last_at,
       last.type AS last_type,
       last.position AS last_position,
       last.type = 'conversation-deleted' AS deleted
  FROM stream s
  JOIN event first
    ON first.partition = s.partition
   AND first.stream = s.stream
   AND first.version = 1
  JOIN event last
    ON last.partition = s.partition
   AND last.stream = s.stream
   AND last.version = s.version;

-- Events of each type and day (UTC), with the bytes that they hold. Reads the whole log.
CREATE VIEW events_per_day AS
SELECT (e.recorded_at AT TIME ZONE 'UTC')::date AS day,
       e.type,
       count(*) AS events,
       count(DISTINCT e.stream) AS streams,
       sum(octet_length(e.data::text))::bigint AS data_bytes,
       sum(octet_length(e.meta::text))::bigint AS meta_bytes
  FROM event e
 GROUP BY 1, 2;

-- Where each read model stands in each partition: events not taken in, and the age of the oldest of them.
CREATE VIEW projection_lag AS
SELECT c.projection,
       c.partition,
       c.position,
       h.position AS head,
       h.position - c.position AS lag_events,
       coalesce(clock_timestamp() - waiting.recorded_at, interval '0') AS lag,
       c.ready,
       c.stopped,
       c.owner,
       c.moved_at
  FROM checkpoint c
  JOIN head h
    ON h.partition = c.partition
  LEFT JOIN event waiting
    ON waiting.partition = c.partition
   AND waiting.position = c.position + 1;

-- How fast the log grows: batches and events of each minute, and the largest batch. Reads the batches only.
CREATE VIEW appends_per_minute AS
SELECT date_trunc('minute', b.recorded_at) AS minute,
       b.partition,
       count(*) AS batches,
       sum(b.last_position - b.first_position + 1)::bigint AS events,
       max(b.last_position - b.first_position + 1) AS largest_batch
  FROM batch b
 GROUP BY 1, 2;

-- Who looked at what other people see: one row per look. viewer is NULL for the terminal, and causation says who was
-- there.
CREATE VIEW access_log AS
SELECT e.recorded_at,
       e.meta ->> 'actor' AS viewer,
       e.type,
       e.data ->> 'person' AS person,
       e.data ->> 'conversation_id' AS conversation,
       e.data ->> 'message_id' AS message,
       e.data ->> 'view' AS view,
       e.data ->> 'as_of' AS as_of,
       e.meta ->> 'causation' AS causation,
       e.meta ->> 'request_id' AS request_id,
       e.partition,
       e.position
  FROM stream s
  JOIN event e
    ON e.partition = s.partition
   AND e.stream = s.stream
 WHERE starts_with(s.stream, 'access-');

-- How large the log is: one row per table of it, with its indexes.
CREATE VIEW log_size AS
SELECT c.relname::text AS name,
       pg_total_relation_size(c.oid) AS total_bytes,
       pg_indexes_size(c.oid) AS index_bytes
  FROM pg_class c
 WHERE c.relnamespace = 'convstore'::regnamespace
   AND c.relname IN ('event', 'batch', 'stream', 'snapshot', 'idempotency_key');

-- Whoever shall look at these, and at nothing else: GRANT convstore_auditor TO somebody.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'convstore_auditor') THEN
        CREATE ROLE convstore_auditor NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN
        NULL;
END;
$$;
GRANT USAGE ON SCHEMA convstore TO convstore_auditor;
GRANT SELECT ON stream_summary, events_per_day, projection_lag, appends_per_minute, access_log, log_size
   TO convstore_auditor, convstore_server;

-- Appends events of another log to one partition, as they were: with their versions, times and texts. For the owner
-- only, who could write to the tables anyway; it is here so that there is one place that knows what belongs together.
-- Events of one time, one after another, become one batch of the chain, whose hashes are made anew. Nothing is decided,
-- no key is kept.
--
--   of_partition, after_position  where to; the partition must end there, so that nothing is imported twice
--   event_*                       one element per event, in order; times never run backwards
--   as_they_are                   the times must fit as they are; else an earlier one becomes that of the one before
CREATE FUNCTION import_events(
    of_partition int,
    after_position bigint,
    event_streams text[],
    event_versions int[],
    event_types text[],
    event_data text[],
    event_meta text[],
    event_times timestamptz[],
    as_they_are boolean
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = convstore, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    last_position bigint;
    last_hash     bytea;
    last_time     timestamptz;
    misfit        text;
    times         timestamptz[];
    run           record;
BEGIN
    SELECT h.position, h.hash, h.recorded_at
      INTO last_position, last_hash, last_time
      FROM head h
     WHERE h.partition = of_partition
       FOR UPDATE;
    IF last_position IS DISTINCT FROM after_position THEN
        RAISE EXCEPTION 'partition % ends at position %, not at %', of_partition, last_position, after_position
            USING ERRCODE = 'serialization_failure';
    END IF;

    SELECT array_agg(n.latest ORDER BY n.ord)
      INTO times
      FROM (SELECT u.ord, greatest(last_time, max(u.at) OVER (ORDER BY u.ord)) AS latest
              FROM unnest(event_times) WITH ORDINALITY AS u (at, ord)) AS n;
    IF as_they_are AND times <> event_times THEN
        RAISE EXCEPTION 'times run backwards after position % of partition %', after_position, of_partition
            USING ERRCODE = 'data_exception';
    END IF;

    SELECT n.stream
      INTO misfit
      FROM (SELECT u.stream, u.version, row_number() OVER (PARTITION BY u.stream ORDER BY u.ord) AS number
              FROM unnest(event_streams, event_versions) WITH ORDINALITY AS u (stream, version, ord)) AS n
     WHERE n.version <> n.number + coalesce(
               (SELECT s.version FROM stream s WHERE s.partition = of_partition AND s.stream = n.stream), 0
           )
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the versions of % do not follow each other after position % of partition %',
            misfit, after_position, of_partition
            USING ERRCODE = 'data_exception';
    END IF;

    INSERT INTO event (partition, position, stream, version, type, data, meta, recorded_at)
    SELECT of_partition, after_position + n.ord, n.stream, n.version, n.type, n.data::json, n.meta::json, n.at
      FROM unnest(event_streams, event_versions, event_types, event_data, event_meta, times)
           WITH ORDINALITY AS n (stream, version, type, data, meta, at, ord);
    INSERT INTO stream AS s (partition, stream, version)
    SELECT of_partition, n.stream, max(n.version)
      FROM unnest(event_streams, event_versions) AS n (stream, version)
     GROUP BY n.stream
    ON CONFLICT (partition, stream) DO UPDATE
       SET version = excluded.version;

    FOR run IN
        SELECT n.at, min(n.ord) AS first, max(n.ord) AS last,
               string_agg(
                   event_bytes(
                       of_partition, after_position + n.ord, n.stream, n.version, n.type, n.at, n.data, n.meta
                   ),
                   ''::bytea ORDER BY n.ord
               ) AS bytes
          FROM unnest(event_streams, event_versions, event_types, event_data, event_meta, times)
               WITH ORDINALITY AS n (stream, version, type, data, meta, at, ord)
         GROUP BY n.at
         ORDER BY n.at
    LOOP
        last_hash := sha256(last_hash || run.bytes);
        INSERT INTO batch (partition, first_position, last_position, id, recorded_at, hash)
        VALUES (of_partition, after_position + run.first, after_position + run.last, gen_random_uuid(), run.at,
                last_hash);
        last_position := after_position + run.last;
        last_time := run.at;
    END LOOP;
    UPDATE head h
       SET position = last_position,
           hash = last_hash,
           recorded_at = last_time
     WHERE h.partition = of_partition;
    RETURN last_position;
END;
$$;
REVOKE EXECUTE ON FUNCTION
    import_events(int, bigint, text[], int[], text[], text[], text[], timestamptz[], boolean)
FROM PUBLIC;
