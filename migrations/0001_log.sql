-- The log, and what must never be lost beside it. Runs as the owner; the server works as convstore_server.
-- First release: there is no previous one to keep working.

-- A row is one event: what happened, when, by whom. Positions are dense from 1 within a partition, in commit order;
-- versions are dense from 1 within a stream. json, not jsonb: it keeps the exact bytes, which the chain covers.
CREATE TABLE event (
    partition   int         NOT NULL,
    position    bigint      NOT NULL,
    stream      text        NOT NULL,
    version     int         NOT NULL,
    type        text        NOT NULL,
    data        json        NOT NULL,
    meta        json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT event_position_is_unique PRIMARY KEY (partition, position),
    CONSTRAINT event_version_is_unique UNIQUE (partition, stream, version)
);

-- A row is the end of one partition. Locked by each append: that is what makes commit order the order of positions.
-- Changed by every append, in place: the free space keeps its versions on the one page.
CREATE TABLE head (
    partition   int         NOT NULL,
    position    bigint      NOT NULL DEFAULT 0,
    hash        bytea       NOT NULL DEFAULT '\x',
    recorded_at timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (partition)
) WITH (fillfactor = 10);

-- A row is one append: the events from first to last position, chained by their hash to the batch before. id was made
-- by the server process that sent it: after a lost connection it asks by it whether the batch is in.
CREATE TABLE batch (
    partition      int         NOT NULL,
    first_position bigint      NOT NULL,
    last_position  bigint      NOT NULL,
    id             uuid        NOT NULL,
    recorded_at    timestamptz NOT NULL,
    hash           bytea       NOT NULL,
    PRIMARY KEY (partition, last_position)
);

-- A row is the version that a stream has reached; changed under the head's lock only.
CREATE TABLE stream (
    partition int  NOT NULL,
    stream    text NOT NULL,
    version   int  NOT NULL,
    PRIMARY KEY (partition, stream)
) WITH (fillfactor = 80);

-- A row is the state that a long stream had at one version, so that it need not be folded from its start. Disposable:
-- written by the server when it likes, and ignored by a release that cannot read it.
CREATE TABLE snapshot (
    partition int   NOT NULL,
    stream    text  NOT NULL,
    version   int   NOT NULL,
    state     bytea NOT NULL,
    PRIMARY KEY (partition, stream)
);
-- Not compressed: packing and unpacking a megabyte costs more than reading it.
ALTER TABLE snapshot ALTER COLUMN state SET STORAGE EXTERNAL;

-- A row is a keyed request that was carried out: its digest, and the answer to give again. Kept 7 days.
CREATE TABLE idempotency_key (
    partition   int         NOT NULL,
    account     text        NOT NULL,
    key         text        NOT NULL,
    digest      bytea       NOT NULL,
    result      json        NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (partition, account, key)
);
CREATE INDEX idempotency_key_by_age ON idempotency_key (partition, recorded_at);

-- A row is how far a read model has taken in a partition, on which history of the log (hash of the batch it ends in),
-- and which process may move it: a lease that expires, fenced by its epoch.
CREATE TABLE checkpoint (
    projection text        NOT NULL,
    partition  int         NOT NULL,
    position   bigint      NOT NULL DEFAULT 0,
    hash       bytea       NOT NULL DEFAULT '\x',
    owner      text        NOT NULL DEFAULT '',
    epoch      bigint      NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity',
    moved_at   timestamptz NOT NULL DEFAULT now(),
    -- Why it stands still, when an event could not be taken in; NULL while it runs.
    stopped    text        NULL,
    PRIMARY KEY (partition, projection)
);

-- A row is one fact about the store itself: the number of partitions, its id, its secret.
CREATE TABLE store (
    name  text NOT NULL PRIMARY KEY,
    value text NOT NULL
);

-- The bytes of one event that the chain covers; nothing else may be hashed, or no event could be told from two.
-- Numbers big-endian (partition, version and lengths of 4 bytes, position of 8), time as microseconds since
-- 2000-01-01 UTC in 8 bytes, texts as UTF-8 behind their length in bytes.
CREATE FUNCTION event_bytes(
    partition int, "position" bigint, stream text, version int, type text, recorded_at timestamptz, data text, meta text
) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE
RETURN int4send(partition) || int8send("position")
    || int4send(octet_length(stream)) || convert_to(stream, 'UTF8')
    || int4send(version)
    || int4send(octet_length(type)) || convert_to(type, 'UTF8')
    || timestamptz_send(recorded_at)
    || int4send(octet_length(data)) || convert_to(data, 'UTF8')
    || int4send(octet_length(meta)) || convert_to(meta, 'UTF8');

-- Appends one batch to one partition, in the transaction of the call. Commands come in groups: a group's events are
-- appended together or not at all, and groups share no stream. A group is *stale*, and nothing of it is appended, when
-- one of its streams is not at the version that its commands were decided on, or one of its keys was used before.
-- Groups without events are judged likewise: "nothing to do" is a verdict too.
--
-- The head row is locked first: the batches of a partition come one after another, so positions are given out in commit
-- order and without gaps. Every statement after the lock must see what was committed before it was granted: VOLATILE,
-- and READ COMMITTED, which is checked.
--
--   of_partition, batch_id           where to, and the id that the sender made for this batch
--   sent_after                       NULL at first. Sent again after a lost answer, with the position of the head that
--                                    the sender last knew: when the batch is in already, the answer says so again
--   stream_*                         one element per stream: its group, name, the version it was decided on, the
--                                    version that it shall have
--   event_*                          one element per event, in order
--   key_*                            one element per idempotency key: its group, and the row to store; without a result
--                                    it is looked up only
--
-- Gives the position before the batch and its time (its accepted events follow each other from there), the stale
-- groups, and of the used keys: which element, with the digest and the result that are stored.
CREATE FUNCTION append(
    of_partition int,
    batch_id uuid,
    sent_after bigint,
    stream_groups int[],
    streams text[],
    stream_versions int[],
    stream_reaches int[],
    event_groups int[],
    event_streams text[],
    event_versions int[],
    event_types text[],
    event_data text[],
    event_meta text[],
    key_groups int[],
    key_accounts text[],
    keys text[],
    key_digests bytea[],
    key_results text[],
    OUT base_position bigint,
    OUT batch_time timestamptz,
    OUT stale_groups int[],
    OUT used_keys int[],
    OUT used_digests bytea[],
    OUT used_results text[]
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = convstore, pg_temp
-- All look-ups are by key, whatever the number of events. A plan made while the tables were empty, or had no statistics,
-- would read them whole; one made for each call would cost more than to run it.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_bitmapscan = off
AS $$
DECLARE
    last_hash bytea;
    last_time timestamptz;
    landed    batch;
    written   bigint;
    new_hash  bytea;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'append runs under READ COMMITTED only' USING ERRCODE = 'active_sql_transaction';
    END IF;

    SELECT h.position, h.hash, h.recorded_at
      INTO base_position, last_hash, last_time
      FROM head h
     WHERE h.partition = of_partition
       FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no partition %', of_partition USING ERRCODE = 'no_data_found';
    END IF;
    batch_time := greatest(clock_timestamp(), last_time);

    IF sent_after IS NOT NULL THEN
        SELECT b.*
          INTO landed
          FROM batch b
         WHERE b.partition = of_partition
           AND b.last_position > sent_after
           AND b.id = batch_id;
        IF FOUND THEN
            base_position := landed.first_position - 1;
            batch_time := landed.recorded_at;
            -- What it wrote it had accepted. The rest wrote nothing, and is to be decided again.
            stale_groups := ARRAY(
                SELECT n.grp
                  FROM unnest(stream_groups) AS n (grp)
                EXCEPT
                SELECT n.grp
                  FROM unnest(event_groups, event_streams, event_versions) AS n (grp, stream, version)
                  JOIN event e
                    ON e.partition = of_partition
                   AND e.stream = n.stream
                   AND e.version = n.version
                 WHERE e.position BETWEEN landed.first_position AND landed.last_position
            );
            RETURN;
        END IF;
    END IF;

    stale_groups := ARRAY(
        SELECT n.grp
          FROM unnest(stream_groups, streams, stream_versions) AS n (grp, stream, version)
         WHERE n.version <> coalesce(
                   (SELECT s.version FROM stream s WHERE s.partition = of_partition AND s.stream = n.stream), 0
               )
    );
    IF cardinality(keys) > 0 THEN
        SELECT array_agg(n.ord), array_agg(k.digest), array_agg(k.result::text), stale_groups || array_agg(n.grp)
          INTO used_keys, used_digests, used_results, stale_groups
          FROM unnest(key_groups, key_accounts, keys) WITH ORDINALITY AS n (grp, account, key, ord)
          JOIN idempotency_key k
            ON k.partition = of_partition
           AND k.account = n.account
           AND k.key = n.key;
        INSERT INTO idempotency_key (partition, account, key, digest, result, recorded_at)
        SELECT of_partition, n.account, n.key, n.digest, n.result::json, batch_time
          FROM unnest(key_groups, key_accounts, keys, key_digests, key_results) AS n (grp, account, key, digest, result)
         WHERE n.result IS NOT NULL
           AND n.grp <> ALL (stale_groups);
    END IF;

    -- Rarely: leave only what is fresh, so that the statements below need not ask.
    IF cardinality(stale_groups) > 0 THEN
        SELECT array_agg(n.stream), array_agg(n.version), array_agg(n.reaches)
          INTO streams, stream_versions, stream_reaches
          FROM unnest(stream_groups, streams, stream_versions, stream_reaches) AS n (grp, stream, version, reaches)
         WHERE n.grp <> ALL (stale_groups);
        SELECT array_agg(n.stream ORDER BY n.ord), array_agg(n.version ORDER BY n.ord), array_agg(n.type ORDER BY n.ord),
               array_agg(n.data ORDER BY n.ord), array_agg(n.meta ORDER BY n.ord)
          INTO event_streams, event_versions, event_types, event_data, event_meta
          FROM unnest(event_groups, event_streams, event_versions, event_types, event_data, event_meta)
               WITH ORDINALITY AS n (grp, stream, version, type, data, meta, ord)
         WHERE n.grp <> ALL (stale_groups);
    END IF;
    written := coalesce(cardinality(event_data), 0);
    IF written = 0 THEN
        RETURN;
    END IF;

    INSERT INTO event (partition, position, stream, version, type, data, meta, recorded_at)
    SELECT of_partition, base_position + n.ord, n.stream, n.version, n.type, n.data::json, n.meta::json, batch_time
      FROM unnest(event_streams, event_versions, event_types, event_data, event_meta)
           WITH ORDINALITY AS n (stream, version, type, data, meta, ord);
    SELECT sha256(last_hash || string_agg(
               event_bytes(
                   of_partition, base_position + n.ord, n.stream, n.version, n.type, batch_time, n.data, n.meta
               ),
               ''::bytea ORDER BY n.ord
           ))
      INTO new_hash
      FROM unnest(event_streams, event_versions, event_types, event_data, event_meta)
           WITH ORDINALITY AS n (stream, version, type, data, meta, ord);
    INSERT INTO stream AS s (partition, stream, version)
    SELECT of_partition, n.stream, n.reaches
      FROM unnest(streams, stream_versions, stream_reaches) AS n (stream, version, reaches)
     WHERE n.reaches > n.version
    ON CONFLICT (partition, stream) DO UPDATE
       SET version = excluded.version;
    INSERT INTO batch (partition, first_position, last_position, id, recorded_at, hash)
    VALUES (of_partition, base_position + 1, base_position + written, batch_id, batch_time, new_hash);
    UPDATE head h
       SET position = base_position + written,
           hash = new_hash,
           recorded_at = batch_time
     WHERE h.partition = of_partition;
    -- One per batch, not per event: a NOTIFY serialises commits over the whole cluster.
    PERFORM pg_notify('convstore_log', of_partition || ':' || base_position + written);
END;
$$;

-- Keeps every other append out of a partition until the end of the caller's transaction. For a process that others have
-- outrun again and again.
CREATE FUNCTION hold_head(of_partition int) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = convstore, pg_temp
AS $$
    SELECT FROM head h WHERE h.partition = of_partition FOR UPDATE;
$$;

-- Forgets at most so many keys of one partition that are older than so long, and says how many they were.
CREATE FUNCTION forget_keys(of_partition int, older_than interval, at_most int) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = convstore, pg_temp
AS $$
    WITH old AS (
        SELECT k.account, k.key
          FROM idempotency_key k
         WHERE k.partition = of_partition
           AND k.recorded_at < now() - older_than
         ORDER BY k.recorded_at
         LIMIT at_most
    ), forgotten AS (
        DELETE FROM idempotency_key k
         USING old
         WHERE k.partition = of_partition
           AND k.account = old.account
           AND k.key = old.key
        RETURNING 1
    )
    SELECT count(*) FROM forgotten;
$$;

-- What was appended stays as it is. The server's role has no right to change it in the first place; this is for slips
-- of the owner, who must disable the trigger by name before he can.
CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION '% on %: the log is append-only, nothing in it is ever changed or removed', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END;
$$;
CREATE TRIGGER event_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER batch_is_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON batch
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The role that the server works as. It belongs to the cluster, not to this database: another store beside this one may
-- have made it, perhaps at this very moment; or somebody who may create roles has, for an owner who may not.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'convstore_server') THEN
        BEGIN
            CREATE ROLE convstore_server NOLOGIN;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN
                NULL;
        END;
    END IF;
    -- An owner who is no superuser may take the role only as its member. Before PostgreSQL 16 every member might.
    IF NOT pg_has_role(
        current_user,
        'convstore_server',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END
    ) THEN
        EXECUTE format('GRANT convstore_server TO %I', current_user);
    END IF;
END;
$$;

-- It owns nothing; it reads all of this, appends through the function, and moves checkpoints and snapshots.
REVOKE EXECUTE ON FUNCTION
    event_bytes(int, bigint, text, int, text, timestamptz, text, text),
    append(int, uuid, bigint, int[], text[], int[], int[], int[], text[], int[], text[], text[], text[],
           int[], text[], text[], bytea[], text[]),
    hold_head(int),
    forget_keys(int, interval, int),
    refuse_change()
FROM PUBLIC;
GRANT USAGE ON SCHEMA convstore TO convstore_server;
GRANT SELECT ON event, head, batch, stream, idempotency_key, store, migration TO convstore_server;
GRANT SELECT, INSERT, UPDATE, DELETE ON checkpoint, snapshot TO convstore_server;
GRANT EXECUTE ON FUNCTION
    event_bytes(int, bigint, text, int, text, timestamptz, text, text),
    append(int, uuid, bigint, int[], text[], int[], int[], int[], text[], int[], text[], text[], text[],
           int[], text[], text[], bytea[], text[]),
    hold_head(int),
    forget_keys(int, interval, int)
TO convstore_server;
