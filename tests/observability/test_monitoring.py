"""Is it ready, and how does it stand: for load balancers, operators, and nobody else."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from convstore.database import Conn
from convstore.http import monitoring
from convstore.http.monitoring import READINESS, Readiness
from eventually import eventually

from .conftest import REFUSE, Gone, Watched, poison


async def _is_ready(watched: Watched) -> bool:
    return 200 == (await watched.ask("GET", "/api/health/ready", by=None))[0]


async def test_anybody_may_know_whether_it_is_ready_and_no_more(watched: Watched) -> None:
    assert (200, '{"status":"ready"}') == await watched.ask("GET", "/api/health/ready", by=None)


async def test_without_a_read_model_it_is_not_ready(watched: Watched, owner: Conn) -> None:
    assert await _is_ready(watched)
    async with owner.transaction():
        row = await owner.fetchrow("DELETE FROM checkpoint WHERE projection = 'inbox_v1' RETURNING *")
    assert row is not None
    await eventually(lambda: _turned(watched, ready=False))
    assert (503, '{"status":"unavailable"}') == await watched.ask("GET", "/api/health/ready", by=None)

    await owner.execute("INSERT INTO checkpoint (projection, partition) VALUES ('inbox_v1', 0)")
    await eventually(lambda: _turned(watched, ready=True))


async def test_without_a_database_it_is_not_ready(watched: Watched, database_gone: Gone) -> None:
    async with database_gone():
        assert not await _is_ready(watched)
        async with watched.local.get("/health/ready") as response:
            assert 503 == response.status
    await eventually(lambda: _turned(watched, ready=True))


async def _turned(watched: Watched, *, ready: bool) -> bool:
    return ready == await _is_ready(watched)


async def test_a_read_model_that_stands_still_takes_no_server_away(watched: Watched, owner: Conn) -> None:
    await owner.execute(REFUSE)
    await poison(watched.backend.store)
    await eventually(lambda: any(status.stopped for status in watched.backend.engine.status()))
    assert await _is_ready(watched)


async def test_however_many_ask_the_database_is_asked_once(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    ask = Readiness._ask

    async def counted(self: Readiness) -> bool:
        nonlocal asked
        asked += 1
        return await ask(self)

    monkeypatch.setattr(Readiness, "_ask", counted)
    readiness = watched.client.app[READINESS]
    assert [True] * 100 == await asyncio.gather(*(readiness.look() for _ in range(100)))
    assert 1 == asked


async def test_a_database_that_hangs_does_not_hang_whoever_asks(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "_PATIENCE", 0.05)
    monkeypatch.setattr(monitoring, "_REMEMBER", 0.0)
    answers = asyncio.Event()
    ask = Readiness._ask

    async def hanging(self: Readiness) -> bool:
        await answers.wait()
        return await ask(self)

    monkeypatch.setattr(Readiness, "_ask", hanging)
    readiness = watched.client.app[READINESS]
    assert [False] * 10 == await asyncio.gather(*(readiness.look() for _ in range(10)))
    assert 1 == len(readiness._asking)

    monkeypatch.setattr(monitoring, "_ABANDON", 0.0)
    assert not await readiness.look()
    assert 2 == len(readiness._asking)

    answers.set()
    monkeypatch.setattr(monitoring, "_PATIENCE", 20.0)
    assert await readiness.look()


async def _health(watched: Watched) -> Any:
    status, text = await watched.ask("GET", "/api/health")
    assert 200 == status
    return json.loads(text)


async def test_superusers_see_where_everything_stands(watched: Watched) -> None:
    await watched.send()
    head = watched.backend.store.counters()[0].events
    assert await watched.backend.engine.wait(0, head, timeout=20)
    said = await _health(watched)

    assert said["healthy"]
    assert watched.backend.store.id == said["store"]
    assert [{"partition": 0, "head": head, "waiting": 0}] == said["partitions"]
    inbox = next(each for each in said["projections"] if each["projection"] == "inbox_v1")
    assert ("following", head, 0, 0) == (inbox["state"], inbox["position"], inbox["lagEvents"], inbox["lagSeconds"])
    assert watched.backend.engine.owner == inbox["owner"]
    assert inbox["eventsPerSecond"] > 0


async def test_what_stands_still_is_named_with_its_reason(watched: Watched, owner: Conn) -> None:
    await owner.execute(REFUSE)
    at = await poison(watched.backend.store)
    await eventually(lambda: any(status.stopped for status in watched.backend.engine.status()))

    said = await _health(watched)
    assert not said["healthy"]
    states = {each["projection"]: each["state"] for each in said["projections"]}
    assert "stopped" == states.pop("thread_v1")
    assert {"following"} == set(states.values())
    thread = next(each for each in said["projections"] if each["projection"] == "thread_v1")
    assert f"position {at} " in thread["stopped"]


async def test_others_see_nothing_of_it(watched: Watched) -> None:
    assert 401 == (await watched.ask("GET", "/api/health", by=None))[0]
    status, text = await watched.ask("GET", "/api/health", by="support")
    assert 403 == status
    assert "inbox" not in text


async def test_the_loopback_port_tells_without_a_login_and_without_a_database(
    watched: Watched, database_gone: Gone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def said() -> Any:
        async with watched.local.get("/health") as response:
            assert 200 == response.status
            return await response.json()

    monkeypatch.setattr(monitoring, "MAX_LAG", 0.5)
    async with database_gone():
        assert watched.backend.store.id == (await said())["store"]
        await eventually(lambda: _is_sick(said))
        assert (await said())["lookedSecondsAgo"] > 0.5


async def _is_sick(said: Callable[[], Awaitable[Any]]) -> bool:
    return not (await said())["healthy"]
