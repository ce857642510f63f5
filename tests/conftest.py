"""What all tests share: one Redis server of their own, empty for each test."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from willcall.stores.connection import connect
from workers.embedded_redis import EmbeddedRedis

if TYPE_CHECKING:
    from redis import Redis

# On a laptop hypothesis looks for something new each time; CI says the same of the same commit.
settings.register_profile("willcall", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("willcall")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A Redis server that this run started."""
    server = EmbeddedRedis(Path(tmp_path_factory.mktemp("redis")))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator["Redis"]:
    """A client of our own server, which is empty."""
    with connect(redis_server.url) as client:
        client.flushdb()
        yield client
