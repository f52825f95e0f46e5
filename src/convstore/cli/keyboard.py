"""Single key strokes of a terminal, without waiting for a line."""

import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What a key is called when it sends a sequence: cursor keys, page keys, home and end (ECMA-48, xterm).
_SEQUENCES: Final = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b[5~": "left",
    b"\x1b[6~": "right",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
    b" ": "space",
    b"": "q",  # the terminal is gone
}
_LONGEST: Final = 8


@contextmanager
def keys() -> Iterator[Iterator[str]]:
    """Give the keys that are struck from now on, by name or by character, until the block ends.

    Interrupts stay interrupts. Only for a terminal as standard input.
    """
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield _struck(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _struck(terminal: int) -> Iterator[str]:
    while True:
        # A sequence arrives at once.
        raw = os.read(terminal, _LONGEST)
        yield _SEQUENCES.get(raw) or raw[:1].decode("ascii", "replace")
