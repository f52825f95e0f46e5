"""What a document prints, run as it is printed: each line in one shell, and its answer as it is shown."""

import re
import subprocess
from pathlib import Path

from served import free_port, serving

__all__ = ["check", "free_port", "serving", "steps"]

_PRINTED_AT = "localhost:8080"
_SEPARATOR = "=== end of answer ==="


def steps(text: str) -> list[tuple[str, str | None]]:
    """Give the commands of a text's ``sh`` blocks, and what each answer must match (None: nothing is said of it)."""
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    found: list[tuple[str, str | None]] = []
    for line in lines:
        if line.startswith("# → "):
            found[-1] = (found[-1][0], line.removeprefix("# → "))
        else:
            found.append((line, None))
    return found


def check(printed: list[tuple[str, str | None]], server: str, folder: Path) -> None:
    """Run the commands in a folder, against a server, and compare what they answer."""
    script = "\n".join(f"{command.replace(_PRINTED_AT, server)}\necho; echo '{_SEPARATOR}'" for command, _ in printed)

    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=script, capture_output=True, text=True, cwd=folder, check=False
    )

    assert 0 == done.returncode, done.stderr
    for (command, expected), answer in zip(printed, done.stdout.split(_SEPARATOR), strict=False):
        if expected is not None:
            pattern = ".*".join(re.escape(part) for part in expected.split("…"))
            assert re.fullmatch(pattern, answer.strip(), re.DOTALL), f"{command}\nanswered\n{answer}\nnot\n{expected}"
