from willcall.api.board import charts
from willcall.api.board.forms import safe_redirect_path
from willcall.api.board.labels import duration_label, quantile_label
from willcall.orders.urls import web_host


def test_durations_are_short() -> None:
    found = [duration_label(value) for value in (None, 0.0312, 0.9996, 1.44, 12.6, 754.0, 86_400.0)]
    assert found == ["–", "31 ms", "1.0 s", "1.4 s", "13 s", "12 min", "1 d"]  # noqa: RUF001 - a dash


def test_a_quantile_of_durations_is_shown_as_a_bound() -> None:
    counts = {"ticket:20": 50, "ticket:60": 49, "ticket:inf": 1}
    found = [quantile_label(counts, "ticket", share) for share in (0.5, 0.99, 1.0)]
    assert found == ["≤ 20 s", "≤ 1 min", "> 1 d"]
    assert quantile_label(counts, "late", 0.5) == "–"  # noqa: RUF001 - a dash


def test_redirects_lead_only_to_our_own_pages() -> None:
    kept = ["/", "/orders?attention=not_found&provider=tiqets", "/orders/ord-1"]
    lost = [None, "", "orders", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x"]
    assert [safe_redirect_path(wanted) for wanted in (*kept, *lost)] == [*kept, *["/"] * len(lost)]


def test_only_web_addresses_are_links() -> None:
    addresses = ["https://tickets.example/1", "javascript:alert(1)", "data:text/html,x", "http://[::1", "//x"]
    assert [web_host(address) for address in addresses] == ["tickets.example", None, None, None, None]


def test_a_chart_has_a_text_alternative() -> None:
    hours = charts.hourly([(0.0, 3), (3_600.0, 0), (7_200.0, 6)], "tiqets/default")
    assert (
        'aria-label="Fulfilled per hour, tiqets/default. 9 fulfilled in the last 3 hours, 6 in the best one"' in hours
    )
    assert hours.count("<rect") == 3
    spread = charts.distribution({"ticket:10": 3, "ticket:60": 1}, "<tiqets>")
    assert "Time to ticket, &lt;tiqets&gt;. 4 orders. 75% within 10 s, 100% within 1 min" in spread
    assert charts.distribution({}, "x").count('class="none"') == charts.distribution({}, "x").count("<rect")
    assert 'width="100.0"' in charts.gauge(7.0, "all of it is used")
