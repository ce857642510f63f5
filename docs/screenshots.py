"""Take the screenshots of Flower and of the order board for docs/img/ (`make screenshots`).

They show the demo, first while it is healthy, then with an account whose key was revoked.
"""

import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.chromium import NARROW, WIDE, chromium, window
from tests.browser.demo import OPERATOR_KEY, frozen_worker, make_trouble, patient_order, running_demo
from willcall.devtools.local_deployment import FLOWER_LOGIN, LocalDeployment
from willcall.usecases.submit import submit

FOLDER = Path(__file__).with_name("img")
#: No picture is larger, bytes.
LARGEST = 200_000
#: What the board says of an account whose key was revoked.
REFUSED = "API key rejected"


def keep(page: Page, name: str) -> None:
    """Write what the page shows, in 256 colours."""
    shot = Image.open(BytesIO(page.screenshot(animations="disabled")))
    path = FOLDER / f"{name}.png"
    shot.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > LARGEST:
        sys.exit(f"{path} has {size} bytes")
    sys.stdout.write(f"{path.relative_to(FOLDER.parent)}  {size // 1024} kB\n")


def flower_tasks(browser: Browser, demo: LocalDeployment) -> None:
    """The tasks of one order."""
    with browser.new_context(**window(WIDE, login=FLOWER_LOGIN)) as context:
        page = context.new_page()
        page.goto(f"{demo.flower_url}/tasks")
        page.get_by_placeholder("state:FAILURE").fill(f"{patient_order(demo).id}:")
        page.get_by_text("filtered from").wait_for()
        keep(page, "flower-tasks")


def flower_broker(browser: Browser, demo: LocalDeployment) -> None:
    """The queues, while no worker takes from them."""
    with browser.new_context(**window(WIDE, login=FLOWER_LOGIN)) as context, frozen_worker(demo):
        for number in range(4):
            submit(demo.context, {"provider": "funtrips", "reference": f"chk-late-{number}"})
        page = context.new_page()
        page.goto(f"{demo.flower_url}/broker")
        keep(page, "flower-broker")


def board(
    browser: Browser, demo: LocalDeployment, name: str, path: str, text: str, *, width: int = WIDE, dark: bool = False
) -> None:
    """One page of the order board, as soon as it shows the `text`."""
    with browser.new_context(**window(width, dark=dark)) as context:
        page = context.new_page()
        page.goto(f"{demo.api_url}/login")
        page.get_by_label("Operator key").fill(OPERATOR_KEY)
        page.get_by_role("button", name="Log in").click()
        page.goto(f"{demo.api_url}{path}")
        page.get_by_text(text).first.wait_for()
        keep(page, name)


def main() -> None:
    """Take all pictures."""
    with TemporaryDirectory() as folder, running_demo(Path(folder)) as demo, chromium() as browser:
        flower_tasks(browser, demo)
        order = patient_order(demo)
        board(browser, demo, "board", "/", "need attention")
        board(browser, demo, "board-phone", "/", "need attention", width=NARROW)
        board(browser, demo, "board-order", f"/orders/{order.id}", "fulfilled")
        make_trouble(demo)
        board(browser, demo, "board-trouble", "/", REFUSED, dark=True)
        board(browser, demo, "board-trouble-phone", "/", REFUSED, width=NARROW, dark=True)
        flower_broker(browser, demo)


if __name__ == "__main__":
    main()
