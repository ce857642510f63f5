"""What tests over a Redis of their own share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from workers.embedded_redis import EmbeddedRedis


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that a test may kill."""
    server = EmbeddedRedis(tmp_path / "redis")
    server.start()
    yield server
    server.kill()
