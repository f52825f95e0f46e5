"""*Rebuilt equals live*: one line at the end of a test, or of a fixture."""

from convstore.engine.verify import compare


async def assert_rebuilt_equals_live(dsn: str) -> None:
    """Replay the log as far as the live read models have come, and check that every row comes out the same."""
    assert [] == await compare(dsn)
