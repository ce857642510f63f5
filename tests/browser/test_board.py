"""The order board in a browser, on the running demo."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.actors import ANNA
from tests.browser.chromium import HEIGHT, NAME, NARROW, WIDE, window
from tests.browser.conftest import PATIENCE, Open
from tests.browser.demo import OPERATOR_KEY, UNKNOWN, frozen_api
from tests.waiting import wait_until
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Attempt, Attention, Order, Status, Ticket, TicketKind
from willcall.orders.policy import Rate
from willcall.stores.commits import Commit
from willcall.stores.events import NewEvent
from willcall.stores.listing import OrderFilter
from willcall.stores.schedule import Requester
from willcall.usecases.accounts import pause, resume
from willcall.usecases.orders import get_order
from willcall.usecases.submit import submit

Board = Callable[..., Page]

LATER = "2099-01-01T00:00:00Z"
#: The test alone sends changes to a page with this: `source.onmessage(...)`.
_CHANGES_BY_HAND = "window.EventSource = class { constructor() { window.source = this; } close() {} };"
PAGES = (
    "/",
    "/orders",
    "/orders?attention=true",
    "/orders?late=overdue",
    "/orders?late=undelivered",
    "/orders?late=documents",
    "/orders?event=soon&columns=quantity,metadata",
    "/search?q=nothing",
    f"/orders/{UNKNOWN['id']}",
)


@pytest.fixture(scope="module")
def operator(browser: Browser, demo: LocalDeployment) -> Iterator[BrowserContext]:
    """The browser of an operator who has logged in."""
    with browser.new_context(**window(WIDE)) as context:
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        log_in(page, demo.api_url, "/")
        page.close()
        yield context


@pytest.fixture
def board(operator: BrowserContext, demo: LocalDeployment, watch: Callable[[Page], Page]) -> Iterator[Board]:
    """Opens a page of that operator."""
    with ExitStack() as stack:

        def open_board(path: str = "/", width: int = WIDE) -> Page:
            page = watch(stack.enter_context(operator.new_page()))
            page.set_viewport_size({"width": width, "height": HEIGHT})
            page.goto(f"{demo.api_url}{path}")
            return page

        yield open_board


@pytest.fixture
def order(demo: LocalDeployment, request: pytest.FixtureRequest) -> Order:
    """An order that waits for long, and has a callback URL."""
    order_id = f"board-{request.node.name.removeprefix('test_')[:40]}"
    url = f"http://127.0.0.1:9/{order_id}"
    payload = {"id": order_id, "provider": "tiqets", "reference": "4444444", "not_before": LATER, "callback_url": url}
    submit(demo.context, {**payload, "allow_duplicate": True})
    return get_order(demo.context, order_id)


@pytest.fixture
def resumed(demo: LocalDeployment) -> Iterator[None]:
    """Resumes the account in the end, whatever happens to it."""
    yield
    resume(demo.context, demo.context.accounts["paylogic/user"], ANNA)


def log_in(page: Page, url: str, path: str) -> None:
    page.goto(f"{url}{path}")
    page.get_by_label("Operator key").fill(OPERATOR_KEY)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.wait_for_load_state()  # its script runs only then


def row(page: Page, account: str) -> Locator:
    provider, _, name = account.partition("/")
    return page.locator("table.accounts tbody tr").filter(has=page.get_by_text(f"{provider}/{name}", exact=True))


def a_fulfilled(demo: LocalDeployment, kind: TicketKind, provider: str | None = None) -> Order:
    """A fulfilled order that has such a ticket."""
    orders = demo.context.stores.listing.page(OrderFilter(Status.FULFILLED, provider), 100).orders
    return next(order for order in orders if any(ticket.kind is kind for ticket in order.tickets))


def change_of_an_account(page: Page) -> None:
    """Have the page receive what changes the table of accounts, as the stream would send it."""
    page.evaluate("receive({accounts: document.getElementById('accounts').innerHTML + '<p>changed</p>'})")


def first_outcome(demo: LocalDeployment, order: Order) -> str:
    """What the first of the order's attempts came back with."""
    return demo.context.stores.orders.timeline(order.id)[0].outcome


def test_an_operator_logs_in_with_a_key_and_out(page: Page, demo: LocalDeployment, complaints: list[str]) -> None:
    page.goto(f"{demo.api_url}/orders")
    page.get_by_label("Operator key").fill("a guess")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="not valid")).to_be_visible()
    assert "403" in complaints.pop()
    page.get_by_label("Operator key").fill(OPERATOR_KEY)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{demo.api_url}/orders")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Operator key")).to_be_focused()


def test_every_account_is_shown_with_its_health_numbers_and_charts(board: Board, demo: LocalDeployment) -> None:
    page = board()
    expect(page.locator("table.accounts tbody tr")).to_have_count(len(demo.context.accounts))
    tiqets = row(page, "tiqets/default")
    expect(tiqets.locator(".state")).to_have_text("ok")
    for label in ("Waiting", "Due", "Overdue", "Held", "429s"):
        expect(tiqets.locator(f'[data-label="{label}"]')).to_have_text(re.compile(r"^\d+$"))
    expect(tiqets.locator('[data-label="Late p50, p99"]')).to_have_text(re.compile(r"≤ \d.* m?s +≤ \d.* m?s"))
    expect(tiqets.locator(".rate")).to_have_text(re.compile(r"\d+ % of 10 per 1 s, \d+ left"))
    fulfilled = tiqets.get_by_role("img", name=re.compile("^Fulfilled per hour, tiqets.default. [1-9]"))
    expect(fulfilled.locator("rect")).to_have_count(24)
    took = tiqets.get_by_role("img", name=re.compile("^Time to ticket, tiqets.default. [1-9].* within 1 min"))
    expect(took).to_be_visible()


def test_the_status_bar_says_that_workers_beat_and_sweeps_are_healthy(board: Board) -> None:
    status = board().locator(".status-bar")
    expect(status).to_have_text(re.compile(r"1 worker\s+beat .*\s+sweeps ok\s+\d+ callbacks? pending\s+live"))


@pytest.mark.proof
@pytest.mark.usefixtures("resumed")
def test_changes_appear_without_reloading(board: Board, demo: LocalDeployment) -> None:
    page = board()
    expect(page.locator(".status-bar [data-live]")).to_have_class(re.compile(r"\bon\b"))
    page.evaluate("window.stayed = true")
    pause(demo.context, demo.context.accounts["paylogic/user"], 600.0, ANNA)
    expect(page.get_by_role("heading", name="paylogic/user is paused")).to_be_visible()
    expect(row(page, "paylogic/user").locator(".state")).to_have_text("paused")
    resume(demo.context, demo.context.accounts["paylogic/user"], ANNA)
    expect(page.get_by_role("heading", name="paylogic/user is paused")).to_be_hidden()
    assert page.evaluate("window.stayed")


@pytest.mark.proof
def test_a_board_with_stale_data_is_not_live(board: Board, demo: LocalDeployment) -> None:
    page = board("/search?q=nothing")
    page.add_init_script(_CHANGES_BY_HAND)
    page.goto(demo.api_url)
    live, tell = (
        page.locator(".status-bar [data-live]"),
        "text => source.onmessage({ data: JSON.stringify({ 'connection-error': text }) })",
    )
    page.evaluate(tell, "Redis is not responding. State as of 16:08.")
    expect(live).to_have_class(re.compile(r"\boff\b"))
    expect(live).to_have_text(re.compile(r"^not live since \d\d:\d\d$"))
    page.evaluate(tell, "")
    expect(live).to_have_class(re.compile(r"\bon\b"))


def test_a_board_without_updates_is_not_live(board: Board, demo: LocalDeployment) -> None:
    page = board("/search?q=nothing")
    page.clock.install()
    page.add_init_script("window.opened = 0; EventSource = class extends EventSource { opened = ++window.opened; };")
    page.goto(demo.api_url)
    live, beat = page.locator(".status-bar [data-live]"), page.locator(".status-bar", has_text="beat")
    expect(live).to_have_text("live")
    page.evaluate("window.stayed = true")
    with frozen_api(demo):
        page.clock.fast_forward("20:00")
        expect(live).to_have_text(re.compile(r"^not live since \d\d:\d\d$"))
        expect(beat).not_to_have_text(re.compile(r"beat \d+ min ago"))
        assert page.evaluate("window.opened") > 1
    expect(live).to_have_text("live")
    assert page.evaluate("window.stayed")


@pytest.mark.proof
def test_opened_details_stay_open_when_changes_arrive(board: Board, demo: LocalDeployment, order: Order) -> None:
    page = board(f"/orders/{order.id}")
    expect(page.locator("[data-live]")).to_have_text("live")
    page.get_by_text("Cancel …").click()
    demo.context.stores.schedule.expedite(order.id, order.account_key, 1, Rate(10, 1, 10), Requester.SWEEP)
    submit(demo.context, {"id": f"{order.id}-2", "provider": "tiqets", "reference": "4444445", "not_before": LATER})
    page.wait_for_function("performance.now() > 0")
    expect(page.get_by_role("button", name="Cancel this order")).to_be_visible()


#: Another change of the order, while something is pressed.
_CHANGE = """source.onmessage({ data: JSON.stringify({
    order: document.getElementById("order").innerHTML + "<i>something new</i>",
}) })"""


@pytest.mark.parametrize("key", [None, pytest.param("Space", marks=pytest.mark.proof)])
def test_a_change_between_press_and_release_does_not_lose_the_click(
    board: Board, demo: LocalDeployment, key: str | None
) -> None:
    page = board("/search?q=nothing")
    page.add_init_script(_CHANGES_BY_HAND)
    page.clock.install()
    page.goto(f"{demo.api_url}/orders/{UNKNOWN['id']}")
    poll = page.get_by_role("button", name="Poll now").first
    poll.focus()
    if key:
        page.keyboard.down(key)
        page.clock.fast_forward(5_000)
        page.evaluate(_CHANGE)
        page.keyboard.up(key)
    else:
        poll.hover()
        page.mouse.down()
        page.clock.fast_forward(5_000)
        page.evaluate(_CHANGE)
        page.mouse.up()
    expect(page.locator("#notice")).to_contain_text(f"Order {UNKNOWN['id']} ")


@pytest.mark.proof
def test_a_change_during_a_click_is_shown_after_it(board: Board, demo: LocalDeployment) -> None:
    page = board("/search?q=nothing")
    page.add_init_script(_CHANGES_BY_HAND)
    page.goto(f"{demo.api_url}/orders/{UNKNOWN['id']}")
    page.get_by_role("heading", name=UNKNOWN["id"]).hover()
    page.mouse.down()
    for words in ("one", "two"):
        page.evaluate("words => source.onmessage({ data: JSON.stringify({ order: words }) })", words)
    page.mouse.up()
    expect(page.locator("#order")).to_have_text("two")


@pytest.mark.usefixtures("resumed")
def test_an_account_is_paused_and_resumed_by_buttons(board: Board) -> None:
    page = board()
    account = row(page, "paylogic/user")
    account.get_by_text("Pause …").click()
    reason = account.get_by_label("Reason, for the history")
    reason.fill("maintenance at")
    change_of_an_account(page)
    expect(reason).to_have_value("maintenance at")
    account.get_by_role("button", name="15 min").click()
    expect(page.locator("#notice")).to_have_text(re.compile("paylogic/user is paused for 15 min"))
    expect(row(page, "paylogic/user").locator(".state")).to_have_text("paused")
    row(page, "paylogic/user").get_by_role("button", name="Resume").click()
    expect(page.locator("#notice")).to_have_text(re.compile("paylogic/user is resumed"))
    expect(row(page, "paylogic/user").locator(".state")).to_have_text("ok")


def test_an_order_that_needs_attention_is_listed_with_reason_remedy_and_button(board: Board) -> None:
    page = board()
    group = page.locator("article.group").filter(has_text="The provider does not know this reference.")
    expect(group).to_contain_text("Compare it with the purchase")
    line = group.locator("li").filter(has=page.get_by_role("link", name=UNKNOWN["id"], exact=True))
    expect(line).to_contain_text("since ")
    line.get_by_role("button", name="Poll now").click()
    expect(page.locator("#notice")).to_contain_text(f"Order {UNKNOWN['id']} ")
    group.get_by_role("link", name="tiqets/default").click()
    expect(page).to_have_url(re.compile(r"/orders\?attention=not_found&account=tiqets/default$"))
    expect(page.get_by_role("link", name=UNKNOWN["id"], exact=True)).to_be_visible()


def test_an_order_is_found_by_its_id_and_by_its_reference(board: Board, demo: LocalDeployment) -> None:
    page = board()
    for words in (UNKNOWN["id"], UNKNOWN["reference"]):
        page.get_by_role("searchbox").fill(words)
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{demo.api_url}/orders/{UNKNOWN['id']}")
        page.goto(demo.api_url)
    page.get_by_role("searchbox").fill("nobody knows")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No orders match")).to_be_visible()


def test_the_page_of_an_order_shows_its_timeline(board: Board, demo: LocalDeployment) -> None:
    orders = demo.context.stores.listing.page(OrderFilter(Status.FULFILLED, "tiqets"), 100).orders
    order = next(order for order in orders if first_outcome(demo, order) == "not_ready")
    page = board(f"/orders/{order.id}")
    expect(page.locator(".request")).to_contain_text(f"/orders/{order.reference}/tickets")
    attempts = page.locator("table.timeline tbody tr")
    expect(attempts).to_have_count(order.attempts)
    expect(attempts.first).to_contain_text("all tickets")
    expect(attempts.last).to_contain_text(re.compile(r"no tickets yet\s+200\s+\S.*; \S"))
    expect(page.locator(".delivery")).to_have_text("delivered")
    expect(page.locator("table.callbacks tbody tr").first).to_contain_text(
        re.compile(r"order.fulfilled\s+evt_\w+\s+200\s+accepted")
    )


def test_a_document_is_downloaded_through_the_session(board: Board, demo: LocalDeployment) -> None:
    order = a_fulfilled(demo, TicketKind.PDF)
    page = board(f"/orders/{order.id}")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download PDF").first.click()
    assert downloading.value.path().read_bytes().startswith(b"%PDF-")


def test_a_code_is_shown_only_on_request(board: Board, demo: LocalDeployment) -> None:
    order = a_fulfilled(demo, TicketKind.BARCODE)
    code = next(ticket.code for ticket in order.tickets if ticket.code)
    page = board(f"/orders/{order.id}")
    hidden = page.locator(".ticket .reveal").first
    expect(hidden).to_be_hidden()
    page.locator(".ticket summary").first.click()
    expect(hidden).to_contain_text(code)
    secret = demo.context.stores.listing.page(OrderFilter(provider="voordemensen"), 1).orders[0]
    page.goto(f"{demo.api_url}/orders?provider=voordemensen")
    expect(page.locator("table.orders")).not_to_contain_text(secret.reference)


def test_an_order_is_cancelled_after_confirmation_and_its_callback_redelivered(board: Board, order: Order) -> None:
    page = board(f"/orders/{order.id}")
    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel this order").click()
    expect(page.locator("#notice")).to_contain_text(f"Order {order.id} is cancelled.")
    expect(page.locator("h1 + p .status")).to_have_text("cancelled")
    expect(page.locator("#order")).to_contain_text("order.cancelled")
    page.get_by_role("button", name="Redeliver").first.click()
    expect(page.locator("#notice")).to_contain_text(f"Redelivery of order {order.id} queued.")
    expect(page.locator("table.callbacks tbody tr").first).to_contain_text("order.cancelled")


@pytest.mark.proof
def test_the_board_can_be_used_with_the_keyboard(board: Board, demo: LocalDeployment) -> None:
    page = board()
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(page.locator("table.accounts tbody .row-link").first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("table.accounts tbody .row-link").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/orders\?account="))
    page.wait_for_load_state()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.keyboard.press("b")
    expect(page).to_have_url(f"{demo.api_url}/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


#: A key between the closing of a dialog and the next frame: what had the focus in there has it until then.
_AT_ONCE = """() => {
    const help = document.getElementById("keys");
    help.showModal();
    help.close();
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "o", bubbles: true }));
}"""


@pytest.mark.proof
def test_keys_work_as_soon_as_the_dialog_is_closed(board: Board, demo: LocalDeployment) -> None:
    page = board()
    page.evaluate(_AT_ONCE)
    expect(page).to_have_url(f"{demo.api_url}/orders")


#: The elements that stand out of the window.
_BEYOND = """[...document.querySelectorAll("body *")]
    .filter(element => element.getBoundingClientRect().right > innerWidth)
    .map(element => element.outerHTML.slice(0, 200))"""


@pytest.mark.proof
@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_wider_than_the_window(board: Board, path: str) -> None:
    page = board(path)
    for width in (2_560, WIDE, 1_024, 768, NARROW, 320):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        for scheme, light in (("light", True), ("dark", False)):
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, page.evaluate(_BEYOND)
            assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(243, 241, 236)") is light


@pytest.mark.proof
@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_two_buttons_of_an_account_fit_into_its_row(board: Board, width: int) -> None:
    page = board("/", width)
    page.evaluate("""document.querySelectorAll(".accounts td.actions").forEach(actions => actions.innerHTML =
        "<form><button>Try now</button></form> <details class=menu><summary>Try now anyway …</summary></details>")""")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.evaluate(_BEYOND)


@pytest.mark.proof
@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_long_names_and_durations_wrap_in_the_attention_list(board: Board, width: int) -> None:
    page = board("/", width)
    page.evaluate("""document.querySelectorAll(".rows .meta > span")
        .forEach(words => words.append(" for 23 hours and 59 minutes at voordemensen/a-long-name"));
        document.querySelectorAll(".rows .acts")
        .forEach(acts => acts.insertAdjacentHTML("beforeend", "<button>Redeliver</button><button>Cancel</button>"))""")
    assert page.evaluate("document.documentElement.scrollWidth") <= width, page.evaluate(_BEYOND)


#: The words that stand out of what they are in.
_OUTSIDE = """[...document.querySelectorAll(".card, .banner-text, .banner-actions, table, td, .ticket, .headline")]
    .filter(box => box.scrollWidth > box.clientWidth + 1 && box.checkVisibility())
    .map(box => `${box.scrollWidth - box.clientWidth} ${box.outerHTML.slice(0, 300)}`)"""


@pytest.fixture(scope="module")
def long_order(demo: LocalDeployment) -> Order:
    """An order that needs attention, whose words from outside are as long as they may be and have no space."""
    order_id, word = "L" * 128, "W" * 200
    payload = {
        "id": order_id,
        "provider": "tiqets",
        "reference": word,
        "not_before": LATER,
        "metadata": {"W" * 60: word},
    }
    submit(demo.context, payload | {"callback_url": f"https://backend.example/{word}"})
    order = get_order(demo.context, order_id)
    ticket = Ticket(TicketKind.BARCODE, code=word, section=word, url=f"https://{'w' * 60}.example/{word}")
    after = replace(
        order,
        attention=Attention.NOT_FOUND,
        reason=word,
        provider_status=word,
        tickets=(ticket,),
        status=Status.PARTIAL,
    )
    attempt = Attempt(order.submitted_at, "malformed", 200, 5.0, word)
    event = NewEvent("evt_long", "order.partial", {}, "backend.example")
    commit = Commit(order, after, tickets=True, attempt=attempt, event=event)
    assert demo.context.stores.commits.write(commit) is not None
    return after


@pytest.mark.proof
@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_long_words_of_providers_wrap(board: Board, demo: LocalDeployment, long_order: Order, width: int) -> None:
    page = board("/", width)
    for path in ("/", "/orders", "/orders?attention=true", "/search?q=" + "Q" * 290, f"/orders/{long_order.id}"):
        page.goto(f"{demo.api_url}{path}")
        page.evaluate("document.querySelectorAll('details:not(.menu)').forEach(details => details.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, page.evaluate(_BEYOND))
        assert page.evaluate(_OUTSIDE) == [], path


@pytest.mark.proof
@pytest.mark.parametrize("width", [WIDE, 768, NARROW])
def test_the_text_of_a_banner_stays_in_its_card(board: Board, width: int) -> None:
    page = board("/", width)
    page.evaluate("""document.getElementById("banners").innerHTML = `<article class="banner critical down">
        <div class="banner-text"><h3>${"n".repeat(200)} is failing</h3><p class="effect">${"e".repeat(200)}</p></div>
        <div class="banner-actions"><p class="cause">could not connect: BadStatusLine</p><button>Resume</button></div>
        </article>`""")
    assert page.evaluate(_OUTSIDE) == []


@pytest.mark.proof
def test_menus_stay_inside_the_window_on_a_phone(board: Board) -> None:
    page = board("/", NARROW)
    healthy = page.locator("tr.healthy").first
    expect(healthy.locator("td").first).to_be_hidden()
    healthy.locator("summary", has_text="Details").click()
    page.locator("summary:visible", has_text="Pause …").first.click()
    sheet = page.locator(".popover:visible")
    wait_until(lambda: sheet.bounding_box() is not None)  # not while what is new takes its place
    box = sheet.evaluate("sheet => sheet.getBoundingClientRect().toJSON()")
    assert box["left"] >= 0
    assert box["right"] <= NARROW


#: What can be pressed and is lower than a finger: its height, pixels, and what it is.
_LOW = """[...document.querySelectorAll("a, button, summary, select, input:not([type=hidden])")]
    .filter(element => element.checkVisibility() && !element.matches(".skip"))
    .map(element => [element.getBoundingClientRect().height, element.outerHTML.slice(0, 200)])
    .filter(([height]) => height < 44)"""


@pytest.mark.proof
@pytest.mark.usefixtures("resumed")
def test_controls_are_large_enough_for_touch(browser: Browser, demo: LocalDeployment) -> None:
    pause(demo.context, demo.context.accounts["paylogic/user"], 600.0, ANNA)
    ticket = a_fulfilled(demo, TicketKind.PDF)
    with browser.new_context(**window(NARROW), has_touch=True, is_mobile=True, device_scale_factor=3) as context:
        page = context.new_page()
        page.goto(f"{demo.api_url}/login")
        assert page.evaluate(_LOW) == []
        log_in(page, demo.api_url, "/")
        for path in (*PAGES, f"/orders/{ticket.id}", "/orders?account=tiqets/default&status=fulfilled", "/nowhere"):
            page.goto(f"{demo.api_url}{path}")
            page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
            assert page.evaluate(_LOW) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, page.evaluate(_BEYOND)


@pytest.mark.proof
def test_the_board_works_without_javascript(browser: Browser, demo: LocalDeployment) -> None:
    with browser.new_context(**window(WIDE), java_script_enabled=False) as context:
        page = context.new_page()
        log_in(page, demo.api_url, "/")
        expect(page.locator("table.accounts tbody tr")).to_have_count(len(demo.context.accounts))
        expect(page.locator("noscript meta[http-equiv=refresh]")).to_have_count(1)
        page.locator("#attention").get_by_role("link", name=UNKNOWN["id"], exact=True).click()
        expect(page.locator("table.timeline tbody tr").first).to_contain_text("unknown reference 404")
        page.get_by_role("button", name="Poll now").first.click()
        expect(page.locator("#notice")).to_contain_text(f"Order {UNKNOWN['id']} ")


#: Of controls, those that nothing names.
_NAMELESS = """all => all
    .filter(e => !(e.ariaLabel || e.labels?.[0]?.textContent || e.textContent).trim())
    .map(e => e.outerHTML)"""


@pytest.mark.proof
def test_every_control_has_a_name_and_every_page_one_heading(board: Board, demo: LocalDeployment) -> None:
    page = board()
    for path in PAGES:
        page.goto(f"{demo.api_url}{path}")
        expect(page.locator("h1")).to_have_count(1)
        controls = page.locator("button:visible, a:visible, input:visible, select:visible, summary:visible")
        assert controls.evaluate_all(_NAMELESS) == []


@pytest.mark.proof
def test_the_board_works_over_http_under_any_name(open_page: Open, demo: LocalDeployment, order: Order) -> None:
    """Browsers send no `Sec-Fetch-Site` there, and `Origin: null` with forms of pages that name no referrer."""
    page = open_page()
    log_in(page, demo.api_url.replace("127.0.0.1", NAME), f"/orders/{order.id}")
    page.get_by_text("Cancel …").click()
    page.get_by_role("button", name="Cancel this order").click()
    expect(page.locator("#notice")).to_contain_text(f"Order {order.id} is cancelled.")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Operator key")).to_be_visible()


def test_orders_are_selected_and_acted_on_after_a_second_press(board: Board, demo: LocalDeployment) -> None:
    for number in range(3):
        submit(
            demo.context,
            {
                "id": f"many-{number}",
                "provider": "tiqets",
                "reference": "1",
                "not_before": LATER,
                "allow_duplicate": True,
            },
        )
    page = board("/orders?text=many-")
    everything = page.get_by_label("Select all 3 orders on this page")
    everything.check()
    expect(page.locator("td.select input:checked")).to_have_count(3)
    page.get_by_label("Select order many-2").uncheck()
    expect(everything).not_to_be_checked()
    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("heading", name="Cancel 2 orders?")).to_be_visible()
    assert get_order(demo.context, "many-0").status is Status.PENDING
    page.get_by_role("button", name="Cancel 2 orders").click()
    expect(page.get_by_role("status").filter(has_text="2 orders cancelled.")).to_be_visible()
    expect(page.locator("tbody .status.cancelled")).to_have_count(2)
    assert get_order(demo.context, "many-2").status is Status.PENDING


def test_columns_are_chosen_in_a_menu(board: Board) -> None:
    page = board("/orders?status=fulfilled")
    page.get_by_text("Columns …").click()
    page.get_by_role("checkbox", name="Quantity").check()
    page.get_by_role("checkbox", name="Reference").uncheck()
    page.get_by_role("button", name="Show these columns").click()
    expect(page.get_by_role("columnheader", name="Quantity")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Reference")).to_have_count(0)
    expect(page.locator("select[name=status]")).to_have_value("fulfilled")
