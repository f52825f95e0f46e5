"""Append through the PyPI package ``eventsourcing``, in its own environment; run by compare.py beside this file.

Its application recorder, which numbers all events in one order, as ours does; a thread for each writer, each event with
the version it expects. Arguments: host, port, user, database, writers, batch, seconds, bytes of an event. Prints the
number of events, and the seconds they took.
"""

import json
import sys
import threading
import time
import uuid

from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

host, port, user, database = sys.argv[1:5]
writers, batch = map(int, sys.argv[5:7])
seconds, size = float(sys.argv[7]), int(sys.argv[8])

datastore = PostgresDatastore(
    dbname=database,
    host=host,
    port=port,
    user=user,
    password="",
    pool_size=writers,
    max_overflow=0,
)
recorder = PostgresApplicationRecorder(datastore, events_table_name="peer_events")
recorder.create_table()
state = b'"' + b"x" * (size - 2) + b'"'


def write(until: float, written: list[int]) -> None:
    """Append to streams of one's own until then."""
    count = 0
    stream, version = uuid.uuid4(), 0
    while time.perf_counter() < until:
        events = [StoredEvent(stream, version + place, "message-posted", state) for place in range(batch)]
        recorder.insert_events(events)
        version += batch
        count += batch
    written.append(count)


def race(for_seconds: float) -> tuple[int, float]:
    """Let all write at once; give events and seconds."""
    written: list[int] = []
    began = time.perf_counter()
    threads = [threading.Thread(target=write, args=(began + for_seconds, written)) for _ in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(written), time.perf_counter() - began


warm, _ = race(min(0.5, seconds))
events, took = race(seconds)
stored = recorder.max_notification_id()
assert stored == warm + events, (stored, warm + events)
datastore.close()
print(json.dumps({"events": events, "seconds": took}))
