"""The commands of docs/accounts.md, run as they are printed."""

from pathlib import Path

import pytest
from printed import check, steps

DOCUMENT = Path(__file__).parents[2] / "docs" / "accounts.md"

pytestmark = pytest.mark.slow


def test_every_line_answers_what_the_document_says(server: str, folder: Path) -> None:
    check(steps(DOCUMENT.read_text("utf-8")), server, folder)
