"""How often tests try what chance has made: seldom by default, as they run for every change."""

import os

_TIMES = int(os.environ.get("CONVSTORE_TEST_TIMES", "1"))


def examples(by_default: int) -> int:
    """Give the number of examples of a test: ``by_default``, times what ``CONVSTORE_TEST_TIMES`` says."""
    return by_default * _TIMES
