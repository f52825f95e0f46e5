"""What is counted, as a scraper reads it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from convstore.database import Conn
from convstore.errors import Refused
from convstore.log.recorded import Meta
from eventually import eventually
from words import ANN, BOB, EVE, mark_read, reply, send_message

from .conftest import MC, REFUSE, Gone, Watched, poison

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(families: Iterable[Metric]) -> Samples:
    """Give the values by name and labels, but for the worker's."""
    return {
        (sample.name, tuple(sorted((name, value) for name, value in sample.labels.items() if name != "worker"))): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


async def scrape(local: "TestClient[web.Request, web.Application]") -> Samples:
    async with local.get("/metrics") as response:
        assert 200 == response.status
        return samples(parse(await response.text()))


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, tuple(sorted(labels.items()))]


async def test_requests_are_counted_by_route_and_status_never_by_path(watched: Watched) -> None:
    uid = await watched.send()
    for _ in range(3):
        assert 200 == (await watched.ask("GET", f"{MC}/{uid}"))[0]
    assert 404 == (await watched.ask("GET", f"{MC}/nobodyKnows1"))[0]

    found = await scrape(watched.local)
    route = {"method": "GET", "route": "messageConversations/{uid}"}
    assert 3 == value(found, "convstore_http_requests_total", **route, status="200")
    assert 1 == value(found, "convstore_http_requests_total", **route, status="404")
    assert 4 == value(found, "convstore_http_request_seconds_count", **route)
    assert 4 == value(found, "convstore_http_request_seconds_bucket", **route, le="+Inf")
    assert 0 == value(found, "convstore_http_requests_in_progress")
    assert not [labels for _, labels in found if any(uid in text for _, text in labels)]


async def test_what_clients_make_up_becomes_no_series_of_its_own(watched: Watched) -> None:
    for method, path in [("GET", "/api/a"), ("GET", "/api/b"), ("PURGE", "/c"), ("PURGE", MC)]:
        assert (await watched.ask(method, path))[0] in (404, 405)

    everything = await scrape(watched.local)
    found = {labels: number for (name, labels), number in everything.items() if name == "convstore_http_requests_total"}
    assert 4 == sum(found.values())
    assert {("unknown", "unknown")} == {(dict(labels)["method"], dict(labels)["route"]) for labels in found}


async def test_requests_in_hand_are_in_progress(watched: Watched, owner: Conn) -> None:
    async def in_progress() -> float:
        return value(await scrape(watched.local), "convstore_http_requests_in_progress")

    async with owner.transaction():
        # Appends wait for this lock, and with them whoever asked for one.
        await owner.execute("SELECT FROM head FOR UPDATE")
        sending = asyncio.create_task(watched.send())
        await eventually(lambda: _is(in_progress, 1))
    await sending
    # The client may have the answer before the server is done with the request.
    await eventually(lambda: _is(in_progress, 0))


async def _is(number: Callable[[], Awaitable[float]], expected: float) -> bool:
    return expected == await number()


async def test_the_log_counts_batches_commands_and_events(watched: Watched) -> None:
    store = watched.backend.store
    before = await scrape(watched.local)
    await store.submit([send_message(BOB)], Meta())
    await store.submit([reply(by=BOB), mark_read(by=ANN)], Meta())
    with pytest.raises(Refused):
        await store.submit([reply(by=EVE)], Meta())
    after = await scrape(watched.local)

    def grown(name: str) -> float:
        return value(after, name, partition="0") - value(before, name, partition="0")

    assert 3 == grown("convstore_append_batch_commands_count")
    assert 4 == grown("convstore_append_batch_commands_sum")
    assert 3 == grown("convstore_append_requests_total")
    assert 5 == grown("convstore_append_events_total")
    assert 2 == grown("convstore_states_found_total")
    assert 0 == grown("convstore_states_missed_total")
    at_most_one = value(after, "convstore_append_batch_commands_bucket", partition="0", le="1.0")
    at_most_two = value(after, "convstore_append_batch_commands_bucket", partition="0", le="2.0")
    assert (2, 3) == (at_most_one, at_most_two)
    assert 1 == value(after, "convstore_states_kept")
    assert 0 < value(after, "convstore_states_bytes") < value(after, "convstore_states_bytes_limit")
    assert 0 == value(after, "convstore_append_queue_commands", partition="0")


async def test_read_models_show_how_far_they_are(watched: Watched) -> None:
    outcome = await watched.backend.store.submit([send_message(BOB)], Meta())
    assert await watched.backend.engine.wait(0, outcome.position, timeout=20)

    found = await scrape(watched.local)
    of = {"projection": "inbox_v1", "partition": "0"}
    assert outcome.position == value(found, "convstore_projection_position", **of)
    assert outcome.position == value(found, "convstore_projection_events_total", **of)
    assert outcome.position == value(found, "convstore_log_head", partition="0")
    assert 0 == value(found, "convstore_projection_lag_events", **of)
    assert 0 == value(found, "convstore_projection_stopped", **of)
    assert 1 == value(found, "convstore_projection_carried", **of)


async def test_a_read_model_that_stands_still_shows_so(watched: Watched, owner: Conn) -> None:
    await owner.execute(REFUSE)
    at = await poison(watched.backend.store)
    stopped = {"projection": "thread_v1", "partition": "0"}
    await eventually(lambda: any(status.stopped for status in watched.backend.engine.status()))

    found = await scrape(watched.local)
    assert 1 == value(found, "convstore_projection_stopped", **stopped)
    assert at - 1 == value(found, "convstore_projection_position", **stopped)
    assert 2 == value(found, "convstore_projection_lag_events", **stopped)
    assert 0 == value(found, "convstore_projection_stopped", projection="inbox_v1", partition="0")


async def test_logins_are_counted_by_outcome(watched: Watched) -> None:
    for _ in range(3):
        await watched.ask("GET", "/api/ping")
    async with watched.client.get(
        "/api/ping", auth=None, headers={"Authorization": "Basic YWRtaW46d3Jvbmc="}
    ) as answer:
        assert 401 == answer.status

    found = await scrape(watched.local)
    assert {"verified": 1.0, "remembered": 2.0, "refused": 1.0} == {
        dict(labels)["outcome"]: number for (name, labels), number in found.items() if name == "convstore_logins_total"
    }


async def test_superusers_get_the_metrics_from_the_api_and_others_do_not(watched: Watched) -> None:
    assert 401 == (await watched.ask("GET", "/api/metrics", by=None))[0]
    status, text = await watched.ask("GET", "/api/metrics", by="mobile")
    assert 403 == status
    assert "convstore_" not in text
    status, text = await watched.ask("GET", "/api/metrics")
    assert 200 == status
    assert 2 == value(samples(parse(text)), "convstore_logins_total", outcome="verified")


async def test_each_series_says_which_worker_it_is_of(watched: Watched) -> None:
    _, text = await watched.ask("GET", "/api/metrics")
    assert {"2"} == {sample.labels["worker"] for family in parse(text) for sample in family.samples}


async def test_both_text_formats_can_be_read(watched: Watched) -> None:
    async with watched.local.get("/metrics") as response:
        assert "text/plain" == response.content_type
        plain = samples(parse(await response.text()))
    accept = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with watched.local.get("/metrics", headers=accept) as response:
        assert "application/openmetrics-text" == response.content_type
        open_metrics = samples(parse_openmetrics(await response.text()))  # type: ignore[no-untyped-call]  # the library has types elsewhere, not here
    assert {name for name, _ in plain} == {name for name, _ in open_metrics}


async def test_metrics_are_there_when_the_database_is_not(watched: Watched, database_gone: Gone) -> None:
    await watched.send()
    async with database_gone():
        assert 1 == value(await scrape(watched.local), "convstore_append_requests_total", partition="0")
