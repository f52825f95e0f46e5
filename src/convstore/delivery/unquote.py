"""Finds what somebody wrote in an answer by mail, without what it quotes: ``python -m convstore.delivery.unquote``.

In any language a quotation begins with a line that names our address in brackets; where it does not, a library knows
the ways of mail programs in many of them.

A process of its own, given a text and a time: mail-parser-reply knows how mail programs quote, in many languages, but
its patterns take time that grows with the square of a line's length, and nothing else of the server may wait for that.
"""

import asyncio
import re
import sys
from typing import Final

_PATIENCE: Final = 10.0


def named(*addresses: str) -> re.Pattern[str]:
    """Say what names one of these addresses (patterns) as mail programs do: ``Name <address>``."""
    return re.compile(rf"<(?:mailto:)?(?:{'|'.join(filter(None, addresses))})>", re.IGNORECASE)


def above(text: str, ours: re.Pattern[str]) -> str:
    """Give what stands above the first line that names our address; all of it, when none does."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if ours.search(line):
            # "On Monday, DHIS 2 message" may stand on the line before.
            wrapped = number > 0 and line.lstrip("> ").startswith(("<", "(<"))
            return "\n".join(lines[: number - wrapped])
    return text


async def unquoted(text: str) -> str | None:
    """Give what is new in an answer; None when that cannot be found out in time."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        # Not from the working directory.
        "-P",
        "-m",
        __name__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            said, _ = await process.communicate(text.encode())
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return said.decode() if process.returncode == 0 else None


def _main() -> None:
    from mailparser_reply import EmailReplyParser  # type: ignore[import-untyped]  # noqa: PLC0415 - only in here
    from mailparser_reply.constants import MAIL_LANGUAGES  # type: ignore[import-untyped]  # noqa: PLC0415

    text = sys.stdin.buffer.read().decode()
    replies = EmailReplyParser(languages=list(MAIL_LANGUAGES)).read(text=text).replies
    # A first one that has a quotation's line ("On Monday … wrote:") is that quotation, and nothing stands above it.
    said = replies[0].content.strip() if replies and not replies[0].headers else ""
    if all(line.startswith(">") for line in said.splitlines() if line.strip()):
        said = ""
    sys.stdout.buffer.write(said.encode())


if __name__ == "__main__":
    _main()
