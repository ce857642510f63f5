"""Requests with an account's credentials stay below its `base_url`, however a server may read their URLs."""

import re
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis.strategies import builds, lists, sampled_from, text
from requests import PreparedRequest

from willcall.http.client import tls_context
from willcall.http.connections import BoundedAdapter
from willcall.http.urls import is_below

BASE = "https://api.example/v2"
ADAPTER = BoundedAdapter(tls_context, None, hosts=1, connections=1)
#: Parts of URLs that parsers and servers have disagreed about.
PARTS = [
    *(
        "/",
        "//",
        "\\",
        "..",
        ".",
        "%2e",
        "%2E%2e",
        "%252e",
        "%2f",
        "%5c",
        "%255C",
        ";",
        "..;a=b",
        "\t",
        "\n",
        " ",
        "%00",
    ),
    *("v2", "V2", "v2x", "orders", "?", "#", "@", ":", ":443", ":8443", "api.example", "evil.example", "user:word@"),
    *("https:", "http:", "[::1]"),
]
URLS = builds(
    "{}{}".format,
    sampled_from(
        [BASE, f"{BASE}/", "https://api.example", "HTTPS://API.example:443/v2/", "https://", "//api.example/v2/"]
    ),
    lists(sampled_from(PARTS) | text(max_size=3), max_size=9).map("".join),
)


def sent(url: str) -> tuple[str, str | None, int | None, str]:
    """Return where the library sends a request for a URL, and for which path."""
    request = PreparedRequest()
    request.method, request.url = "GET", url
    where = ADAPTER.build_connection_pool_key_attributes(request, verify=True)[0]
    return where["scheme"], where["host"], where["port"] or 443, ADAPTER.request_url(request, {}).partition("?")[0]


def as_servers_read(path: str) -> list[str]:
    """Return the path as servers may read it: decoded up to three times, with slashes merged or not."""
    found = []
    for _ in range(4):
        slashed = re.sub(r";[^/]*", "", path.replace("\\", "/"))
        found += [normpath(re.sub("/+", "/", slashed)), normpath("/" + slashed.lstrip("/"))]
        path = unquote(normpath(slashed))
    return found


@given(URLS)
@example(f"{BASE}/../../other")
@example(f"{BASE}/%2e%2e/other")
@example(f"{BASE}/a%2fb/../%2e%2e/other")
@example(f"{BASE}/..\\other")
@example(f"{BASE}//..;/other")
@example("https://api.example/v2@evil.example/v2/")
@example("https://api.example:8443/v2/")
def test_a_request_below_the_base_url_stays_there_however_it_is_read(url: str) -> None:
    if not is_below(url, BASE):
        return
    scheme, host, port, path = sent(url)
    assert (scheme, host, port, urlsplit(url).username) == ("https", "api.example", 443, None)
    for read in as_servers_read(path):
        assert f"{read}/".startswith("/v2/")


@pytest.mark.parametrize(
    "url",
    [
        f"{BASE}/orders/1?page=../2&next=https://evil.example/",
        f"{BASE}/a/../orders",
        f"{BASE}/./orders//1/",
        f"{BASE}/a%2Fb%20c..",
        f"{BASE}?page=2",
        "HTTPS://API.EXAMPLE:443/v2/orders",
        "https://api.example/other/../v2/orders",
    ],
)
def test_a_url_below_the_base_url_is_found_in_any_notation(url: str) -> None:
    assert is_below(url, BASE)
    assert is_below(url, "https://Api.example:443/v2")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example/v2/../other",
        "https://api.example/v2/%2E%2e/other",
        "https://api.example/v2/%252e%252e/other",
        "https://api.example/v2/..%2fother",
        "https://api.example/v2/..%5Cother",
        "https://api.example/v2\\..\\other",
        "https://api.example/v2/..;/other",
        "https://api.example/V2/orders",
        "https://api.example/v20/orders",
        "https://api.example:8443/v2/orders",
        "http://api.example/v2/orders",
        "https://api.example.evil.example/v2/orders",
        "https://user@api.example/v2/orders",
        "https://api.example\\@evil.example/v2/orders",
        "https://api.example@evil.example/v2/orders",
        "https://api.example:x/v2/orders",
        "//api.example/v2/orders",
        "/v2/orders",
        "",
    ],
)
def test_a_url_that_may_lead_elsewhere_is_refused(url: str) -> None:
    assert not is_below(url, BASE)
