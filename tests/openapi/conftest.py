"""A server with the demo, as an operator runs it."""

from collections.abc import Iterator

import pytest

from served import Served, serving


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("described"), "--demo") as served:
        yield served
