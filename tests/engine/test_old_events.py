"""Events as every release wrote them: the kept bytes go into a log, and every read model takes them in.

The bytes themselves are tested in ``tests/domain/test_event_samples.py``.
"""

import json
import uuid
from pathlib import Path

import pytest

from convstore.database import Conn
from convstore.engine import Engine
from convstore.log import verify
from convstore.log.codec import CODEC
from eventually import eventually
from rebuilt import assert_rebuilt_equals_live
from seeding import _APPEND

KEPT = sorted((Path(__file__).parents[1] / "domain" / "samples").glob("*.jsonl"))


@pytest.mark.parametrize("kept", KEPT, ids=lambda kept: kept.stem)
async def test_they_are_taken_in_by_every_read_model(engine: Engine, owner: Conn, dsn: str, kept: Path) -> None:
    lines = kept.read_text("utf-8").splitlines()
    start = lines[0]
    position = 0
    for number, line in enumerate(lines):
        # Each on a stream of its own that has been started, unless it is itself a start.
        texts = [line] if json.loads(line)["type"] == json.loads(start)["type"] else [start, line]
        stream, count = f"Kept{number:07}", len(texts)
        row = await owner.fetchrow(
            _APPEND.replace("cardinality($4::text[])", str(count)),
            0,
            uuid.uuid4(),
            [0],
            [stream],
            [0],
            [count],
            [0] * count,
            [stream] * count,
            list(range(1, count + 1)),
            [json.loads(text)["type"] for text in texts],
            texts,
            ["{}"] * count,
        )
        assert row is not None
        position = row[0]
        CODEC.check(json.loads(line)["type"], line, "{}")

    await eventually(lambda: engine.wait(0, position))
    # The streams are made up, so that most of these events could not have been decided: the chain is what is looked at.
    assert () == (await verify.verify(owner, texts=False)).findings
    await assert_rebuilt_equals_live(dsn)
