"""The commands of docs/stream.md, run as they are printed; and what it says of types and scopes."""

from pathlib import Path

import pytest
from printed import check, steps

DOCUMENT = Path(__file__).parents[2] / "docs" / "stream.md"

pytestmark = pytest.mark.slow


def test_every_line_answers_what_the_document_says(server: str, folder: Path) -> None:
    check(steps(DOCUMENT.read_text("utf-8")), server, folder)
