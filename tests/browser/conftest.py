"""A browser, pages that must not complain, and the running demo."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import LOOPBACK, WIDE, chromium, executable, window
from tests.browser.demo import running_demo
from tests.tools import require
from willcall.devtools.local_deployment import LocalDeployment

#: Opens a page: `width` of the window, whether its user prefers `dark`, and their `login` where a password is asked.
Open = Callable[..., Page]

#: Milliseconds until nothing more is hoped for. What is waited for comes within two seconds, later from a busy machine.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """The demo at a good moment, all of its processes running."""
    with running_demo(tmp_path_factory.mktemp("demo")) as deployment:
        yield deployment


@pytest.fixture(scope="package")  # not longer: while it is open, no other test can run an asyncio loop
def browser() -> Iterator[Browser]:
    require("chromium", executable())
    with chromium() as browser:
        yield browser


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What pages complained of. It has to be empty in the end; a test that expects a complaint removes it."""
    found: list[str] = []
    yield found
    assert found == []


@pytest.fixture
def watch(complaints: list[str]) -> Callable[[Page], Page]:
    """Takes errors of a page, and its requests that leave this machine, for complaints."""

    def watched(page: Page) -> Page:
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _complain_of(request.url, complaints))
        return page

    return watched


@pytest.fixture
def open_page(browser: Browser, watch: Callable[[Page], Page]) -> Iterator[Open]:
    """Opens a page of a user who has not been here before."""
    with ExitStack() as stack:

        def open_one(width: int = WIDE, *, dark: bool = False, login: tuple[str, str] | None = None) -> Page:
            context = stack.enter_context(browser.new_context(**window(width, dark=dark, login=login)))
            context.set_default_timeout(PATIENCE)
            return watch(context.new_page())

        yield open_one


@pytest.fixture
def page(open_page: Open) -> Page:
    """An empty page, 1280 pixels wide, light."""
    return open_page()


def _complain_of(url: str, complaints: list[str]) -> None:
    address = urlsplit(url)
    if address.scheme not in {"data", "blob", "file"} and address.hostname not in LOOPBACK:
        complaints.append(f"leaves this machine: {url}")
