"""The README's walkthrough, run as it is printed: a server on a fresh folder, then each line in one shell."""

from pathlib import Path

import pytest
from printed import check, steps

README = Path(__file__).parents[2] / "README.md"

pytestmark = pytest.mark.slow


def test_every_line_answers_what_the_readme_says(server: str, folder: Path) -> None:
    section = README.read_text("utf-8").partition("## Walkthrough")[2].partition("\n## ")[0]

    check(steps(section), server, folder)
