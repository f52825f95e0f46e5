"""``convstore subscription``, and what status and metrics say of subscriptions."""

import json
from typing import Any

from .command import Ran, convstore
from .conftest import Watched

SUBSCRIPTIONS = "/api/subscriptions"


async def command(dsn: str, *arguments: str) -> Ran:
    return await convstore("subscription", *arguments, "--dsn", dsn)


async def call(watched: Watched, path: str, **body: Any) -> Any:
    status, said = await watched.ask("POST", SUBSCRIPTIONS + path, json=body)
    assert status in (200, 201), said
    return json.loads(said)


async def test_an_operator_sees_and_mends_subscriptions(dsn: str, watched: Watched) -> None:
    await call(watched, "", name="warehouse", types=["message-posted"])
    for _ in range(3):
        await watched.send()
    [first, second, _] = (await call(watched, "/warehouse/events", consumer="one"))["events"]
    for event in (first, second):
        await call(watched, "/warehouse/reject", consumer="one", ack=event["ack"], reason="no such\tward")

    listed = json.loads((await command(dsn, "list", "--json")).out)
    assert ("warehouse", ["one"], 2, False) == tuple(
        listed[name] for name in ("subscription", "consumers", "deadLetters", "aheadOfLog")
    )
    letters = (await command(dsn, "letters", "warehouse")).out.splitlines()
    assert [[first["subject"], "no such ward"], [second["subject"], "no such ward"]] == [
        [line.split("\t")[column] for column in (1, 7)] for line in letters
    ]
    one = json.loads((await command(dsn, "letters", "warehouse", "--json")).out.splitlines()[0])["id"]

    assert "1 forgotten.\n" == (await command(dsn, "discard", "warehouse", str(one))).out
    assert 2 == (await command(dsn, "discard", "warehouse")).code
    assert "1 to be given once more.\n" == (await command(dsn, "redeliver", "warehouse")).out
    assert 0 == (await command(dsn, "reset", "warehouse", "--after", "start")).code
    assert 1 == (await command(dsn, "reset", "warehouse", "--after", "nonsense")).code
    assert 0 == (await command(dsn, "delete", "warehouse")).code
    gone = await command(dsn, "letters", "warehouse")
    assert (1, True) == (gone.code, "There is no subscription warehouse." in gone.err)
    assert "" == (await command(dsn, "list")).out


async def test_status_tells_of_a_subscription_on_another_log(dsn: str, watched: Watched) -> None:
    await watched.send()
    await call(watched, "", name="warehouse", after="latest")
    assert "subscription warehouse: 0 events and 0.0 s behind, 0 consumers\n" in (await status(dsn)).out
    await watched.send()
    told = json.loads((await status(dsn, "--json")).out)["subscriptions"]
    assert [("warehouse", 3)] == [(each["subscription"], each["lagEvents"]) for each in told]

    await watched.backend.pool.execute("UPDATE subscription_checkpoint SET hash = '\\x00'")

    ran = await status(dsn)
    assert 1 == ran.code
    assert "convstore subscription reset warehouse" in ran.out


async def status(dsn: str, *more: str) -> Ran:
    return await convstore("status", "--over", "0", "--dsn", dsn, *more)


async def test_metrics_tell_how_far_behind_a_subscription_is(watched: Watched) -> None:
    await watched.send()
    await call(watched, "", name="warehouse", after="start")

    _, metrics = await watched.ask("GET", "/api/metrics")

    assert 'convstore_subscription_lag_events{subscription="warehouse",worker="2"} 3.0' in metrics
    assert 'convstore_subscription_consumers{subscription="warehouse",worker="2"} 0.0' in metrics
    assert 'convstore_stream_followers{worker="2"} 0.0' in metrics
