"""The fixture `willcall_server` for pytest.

Put this into your conftest.py: `pytest_plugins = ["willcall_client.pytest_plugin"]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from willcall_client.testing import WillcallServer

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def willcall_server() -> Iterator[WillcallServer]:
    """A Willcall with simulated providers, for all tests of the run."""
    with WillcallServer() as server:
        yield server
