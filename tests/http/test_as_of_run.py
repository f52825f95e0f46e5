"""Answers of every kind, kept during a random run, are the answers as of their cursors afterwards."""

import os

import pytest
from past_run import PEOPLE, Run, ask, said_by
from people import MakeClient

from rebuilt import assert_rebuilt_equals_live

# More of them on a quiet machine: CONVSTORE_TEST_RUNS=50.
SEEDS = range(int(os.environ.get("CONVSTORE_TEST_RUNS", "1")))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("partitions", [1, 3])
async def test_with_rights_unchanged_everybody_sees_again_what_he_saw(
    make_client: MakeClient, seed: int, partitions: int
) -> None:
    client = await make_client(partitions=partitions)
    run = Run(client, seed, leaving=False)
    await run.go(steps=60, looks=2)

    assert {200, 403} <= {kept.status for kept in run.kept}
    for kept in run.kept:
        answer = await ask(client.by(kept.who), kept.path, asOf=kept.cursor)
        assert (kept.status, kept.said) == (answer.status, said_by(answer)), kept.path
        if kept.status == 200:
            assert kept.cursor == answer.headers["Convstore-Cursor"]
    await assert_rebuilt_equals_live(client.dsn)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_superuser_sees_what_anybody_saw_though_he_left_since(make_client: MakeClient, seed: int) -> None:
    client = await make_client(partitions=2)
    run = Run(client, seed, leaving=True)
    await run.go(steps=60, looks=2)

    for kept in run.kept:
        answer = await ask(client.as_admin, kept.path, asOf=kept.cursor, user=PEOPLE[kept.who])
        assert (kept.status, kept.said) == (answer.status, said_by(answer)), (kept.who, kept.path)
