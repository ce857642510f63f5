"""The system's Chromium, which talks to this machine alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, sync_playwright

#: Of a page in a wide window and of one on a phone.
WIDE, NARROW = 1280, 390
HEIGHT = 900

#: A name of this machine as others in its network have it: no browser trusts it without encryption.
NAME = "willcall.test"
#: Hosts that a page may ask.
LOOPBACK = {"127.0.0.1", "localhost", NAME}

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--renderer-process-limit=1",  # pages of one user share a process, which is dear to start
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def executable() -> str | None:
    """Where Chromium is, None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window, for the block.

    Playwright keeps an asyncio loop running in the thread that opens it, so nothing else in that thread can run one
    until the block ends.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=_ARGUMENTS)
        yield browser
        browser.close()


def window(width: int, *, dark: bool = False, login: tuple[str, str] | None = None) -> dict[str, Any]:
    """The options of a context: how wide the window is, which colours its user prefers, and their password."""
    options: dict[str, Any] = {
        "viewport": {"width": width, "height": HEIGHT},
        "color_scheme": "dark" if dark else "light",
        "locale": "en-GB",
        "timezone_id": "UTC",
        "reduced_motion": "reduce",  # drawn without a graphics card, each frame costs
    }
    if login:
        options["http_credentials"] = {"username": login[0], "password": login[1]}
    return options
