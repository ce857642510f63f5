"""Requests to the outside against real servers on loopback, hostile ones among them."""

import gzip
import socket
import ssl
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.scripted_server import Serve, Server, once, over_tls, saying, whole
from tests.waiting import Clock
from willcall.http import client as client_module
from willcall.http.address_guard import AddressGuard
from willcall.http.messages import HttpLimits, Response
from willcall.http.outbound import OutboundClient, RequestFailure

LIMITS = HttpLimits(connect_timeout=60, read_timeout=60, total_timeout=60, max_bytes=1_000)
NOW = 1_795_345_200.0
LOOPBACK = ["127.0.0.0/8"]
NOT_PUBLIC = RequestFailure("the host's address is not public, and not in `outbound.allow`", refused=True)
Script = Callable[[Server, socket.socket], None]


def client(*allow: str) -> OutboundClient:
    return OutboundClient(AddressGuard(allow), clock=lambda: NOW)


@pytest.fixture
def outbound() -> Iterator[OutboundClient]:
    outbound = client(*LOOPBACK)
    yield outbound
    outbound.close()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """What names mean, by a DNS of our own: each look-up takes the first address, the last one stays."""
    known: dict[str, list[str]] = {}

    def look_up(host: str, port: int, **_: object) -> list[tuple]:
        addresses = known.get(host, [host])
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in address.split()]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def trust(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    """Have clients that are made from now on trust a certificate."""
    context = ssl.create_default_context(cafile=certificate)
    monkeypatch.setattr(client_module, "tls_context", lambda: context)


def redirecting(location: str, status: str = "302 Found") -> Script:
    return saying(whole(b"", status, f"Location: {location}"))


def test_a_response_body_is_returned_completely(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(saying(whole(b"abc", "200 OK", "X-Twice: one", "X-Twice: two")))
    response = outbound.get(server.url + "/a?b=c", LIMITS, lambda _: {"X-Mine": "1"})
    assert response == Response(200, {"x-twice": "one", "content-length": "3"}, b"abc", NOW)
    head = server.requests[0].decode()
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    for line in (f"Host: 127.0.0.1:{server.port}", "Accept: */*", "Accept-Encoding: identity", "X-Mine: 1"):
        assert f"\r\n{line}\r\n" in head
    assert "\r\nUser-Agent: Willcall/" in head


def test_a_body_is_written_to_the_given_file(serve: Serve, outbound: OutboundClient) -> None:
    found, missing, sink = serve(saying(whole(b"abc"))), serve(saying(whole(b"no", "404 Not Found"))), BytesIO()
    assert outbound.get(missing.url, LIMITS, into=sink) == Response(404, {"content-length": "2"}, b"no", NOW)
    assert outbound.get(found.url, LIMITS, into=sink) == Response(200, {"content-length": "3"}, b"", NOW)
    assert sink.getvalue() == b"abc"


def test_blanks_and_letters_beyond_ascii_are_encoded(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(saying(whole()))
    outbound.get(server.url + "/My Tickét.pdf?a=%20b", LIMITS)
    assert server.requests[0].startswith(b"GET /My%20Tick%C3%A9t.pdf?a=%20b HTTP/1.1\r\n")


def test_a_path_keeps_its_slashes_and_loses_its_dots(serve: Serve, outbound: OutboundClient) -> None:
    """What a signature covers must not change; dots are resolved as browsers do."""
    server = serve(saying(whole()))
    outbound.get(server.url + "//a/./x/..//b.pdf", LIMITS)
    assert server.requests[0].startswith(b"GET //a//b.pdf HTTP/1.1\r\n")


def test_a_post_is_sent_once_with_its_body_and_headers(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(saying(whole(b"", "204 No Content")))
    assert outbound.post(server.url, b'{"a":1}', {"webhook-id": "evt_1"}, LIMITS) == Response(
        204, {"content-length": "0"}, b"", NOW
    )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"webhook-id: evt_1" in head
    assert body == b'{"a":1}'


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_a_post_follows_no_redirect(serve: Serve, outbound: OutboundClient, status: str) -> None:
    elsewhere = serve(saying(whole()))
    server = serve(redirecting(elsewhere.url, status))
    response = outbound.post(server.url, b"x", {}, LIMITS)
    assert isinstance(response, Response)
    assert response.status == int(status[:3])
    assert elsewhere.connections == 0


def test_a_post_with_a_2xx_is_accepted_whatever_its_response_body(serve: Serve, outbound: OutboundClient) -> None:
    for rest in (b"Content-Length: 9\r\n\r\nx", b"Content-Length: 5000\r\n\r\n", b"Content-Encoding: br\r\n\r\nx"):
        response = outbound.post(serve(once(b"HTTP/1.1 200 OK\r\n" + rest)).url, b"x", {}, LIMITS)
        assert isinstance(response, Response)
        assert (response.status, response.body) == (200, b"")


# The guard


def test_loopback_is_rejected_unless_it_is_allowed(serve: Serve) -> None:
    server = serve(saying(whole()))
    for url in (server.url, f"http://localhost:{server.port}/", f"http://127.1:{server.port}/"):
        for response in (
            client().get(url, LIMITS),
            client().post(url, b"", {}, LIMITS),
        ):
            assert isinstance(response, RequestFailure)
            assert response.refused
    assert server.connections == 0


def test_a_name_of_a_private_address_is_rejected_at_connect_time(serve: Serve, names: dict[str, list[str]]) -> None:
    server = serve(saying(whole()))
    outbound = client()
    for address in ("127.0.0.1", "0.0.0.0", "169.254.169.254", "10.0.0.1", "::1", "::ffff:127.0.0.1", "fe80::1%lo"):  # noqa: S104
        names["evil.example"] = [address]
        assert outbound.get(f"http://evil.example:{server.port}/", LIMITS) == NOT_PUBLIC
    assert server.connections == 0


def test_dns_rebinding_does_not_bypass_the_guard(serve: Serve, names: dict[str, list[str]]) -> None:
    inside = serve(saying(whole(b"secret")))
    names["rebinding.example"] = ["93.184.216.34", "127.0.0.1"]
    assert socket.getaddrinfo("rebinding.example", 80)[0][4][0] == "93.184.216.34"  # type: ignore[comparison-overlap]
    assert client().get(f"http://rebinding.example:{inside.port}/", LIMITS) == NOT_PUBLIC
    assert inside.connections == 0


def test_of_several_addresses_only_the_admitted_ones_are_used(serve: Serve, names: dict[str, list[str]]) -> None:
    server = serve(saying(whole(b"abc")))
    names["mixed.example"] = ["10.255.255.1 127.0.0.1"]
    response = client("127.0.0.1").get(f"http://mixed.example:{server.port}/", LIMITS)
    assert isinstance(response, Response)


def test_a_permission_for_the_operators_url_applies_to_no_other(serve: Serve, names: dict[str, list[str]]) -> None:
    names["alerts.internal"] = ["127.0.0.1"]
    server, outbound = serve(saying(whole(b"ok"))), client()
    url = f"http://alerts.internal:{server.port}/"
    for _ in range(2):
        assert isinstance(outbound.post(url, b"{}", {}, LIMITS, trusted=True), Response)
    assert outbound.post(url, b"{}", {}, LIMITS) == NOT_PUBLIC
    assert outbound.get(url, LIMITS) == NOT_PUBLIC
    assert server.connections == 1
    outbound.close()


def test_an_allowed_name_is_reached(serve: Serve, names: dict[str, list[str]]) -> None:
    server = serve(saying(whole(b"abc")))
    names.update({"backend.internal": ["127.0.0.1"], "other.internal": ["127.0.0.1"]})
    outbound = client("backend.internal")
    assert isinstance(outbound.get(f"http://backend.internal:{server.port}/", LIMITS), Response)
    assert outbound.get(f"http://other.internal:{server.port}/", LIMITS) == NOT_PUBLIC


# Redirects


def hops(most: int) -> Script:
    """A script that redirects `/5` to `/4` and so on, by each status in turn, and responses `/0`."""
    statuses = ("301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect")

    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            left = int(request.split()[1].removeprefix(b"/"))
            status = statuses[left % len(statuses)]
            connection.sendall(whole(b"", status, f"Location: /{min(left, most) - 1}") if left else whole(b"abc"))

    return script


def test_ten_redirects_are_followed_and_no_more(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(hops(20))
    assert outbound.get(server.url + "/10", LIMITS) == Response(200, {"content-length": "3"}, b"abc", NOW)
    assert len(server.requests) == 11
    assert outbound.get(server.url + "/11", LIMITS) == RequestFailure("more than 10 redirects", bad_redirect=True)


def test_a_redirect_with_a_retry_after_is_followed_after_the_wait(serve: Serve, outbound: OutboundClient) -> None:
    last = serve(saying(whole(b"abc")))
    server = serve(saying(whole(b"", "302 Found", f"Location: {last.url}", "Retry-After: 120")))
    response = outbound.get(server.url, LIMITS)
    assert isinstance(response, Response)
    assert (response.status, response.headers["retry-after"], last.connections) == (302, "120", 0)
    assert outbound.get(server.url, LIMITS, follow_delayed=True) == Response(200, {"content-length": "3"}, b"abc", NOW)


def test_a_redirect_with_a_retry_after_of_zero_is_followed_at_once(serve: Serve, outbound: OutboundClient) -> None:
    last = serve(saying(whole(b"abc")))
    server = serve(saying(whole(b"", "302 Found", f"Location: {last.url}", "Retry-After: 0")))
    assert outbound.get(server.url, LIMITS) == Response(200, {"content-length": "3"}, b"abc", NOW)


@pytest.mark.parametrize("location", ["/", "", "#top", "?", "http://127.0.0.1:{port}/#top"])
def test_a_redirect_to_itself_without_a_cookie_ends_at_once(
    serve: Serve, outbound: OutboundClient, location: str
) -> None:
    server = serve(lambda server, connection: redirecting(location.format(port=server.port))(server, connection))
    assert outbound.get(server.url + "/", LIMITS) == RequestFailure("redirect loop", bad_redirect=True)
    assert len(server.requests) == 1


def test_a_redirect_loop_is_detected(serve: Serve, outbound: OutboundClient) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            away = "/b" if request.startswith(b"GET /a ") else "/a"
            connection.sendall(whole(b"", "302 Found", f"Location: {away}"))

    server = serve(script)
    assert outbound.get(server.url + "/a", LIMITS) == RequestFailure("redirect loop", bad_redirect=True)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/c d", b"/c%20d"),
        ("  /c\td ", b"/cd"),
        ("/Zürich?q=é".encode().decode("latin-1"), b"/Z%C3%BCrich?q=%C3%A9"),
        ("/Z\xfcrich", b"/Z%C3%BCrich"),
        ("/c%20d?e=%2F", b"/c%20d?e=%2F"),
        ("c.pdf;v=1?x=1#page=2", b"/a/c.pdf;v=1?x=1"),
        ("?x=1", b"/a/b?x=1"),
    ],
)
def test_a_location_is_parsed_like_in_browsers(
    serve: Serve, outbound: OutboundClient, location: str, asked: bytes
) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        first = True
        while server.hear(connection):
            here, first = first, False
            connection.sendall(
                b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location.encode("latin-1") + b"\r\n\r\n"
                if here and len(server.requests) == 1
                else whole(b"abc")
            )

    server = serve(script)
    response = outbound.get(server.url + "/a/b", LIMITS)
    assert isinstance(response, Response)
    assert response.body == b"abc"
    assert server.requests[1].split()[1] == asked


def test_an_international_name_is_looked_up_in_ascii(serve: Serve, names: dict[str, list[str]]) -> None:
    server = serve(saying(whole(b"abc")))
    names["xn--bcher-kva.example"] = ["127.0.0.1"]
    response = client("xn--bcher-kva.example").get(f"http://Bücher.example:{server.port}/", LIMITS)
    assert isinstance(response, Response)
    assert f"Host: xn--bcher-kva.example:{server.port}".encode() in server.requests[0]


# Cookies


def wanting_cookie(set_cookie: str, wanted: bytes = b"\r\nCookie: visitor=1\r\n") -> Script:
    """A script that sets a cookie and redirects to the same address until the cookie comes with the request."""

    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            path = request.split()[1].decode()
            redirect = whole(b"", "302 Found", f"Location: {path}", f"Set-Cookie: {set_cookie}")
            connection.sendall(whole(b"abc") if wanted in request else redirect)

    return script


@pytest.mark.parametrize(
    "set_cookie",
    [
        "visitor=1",
        "visitor=1; Path=/",
        "visitor=1; Path=/a; HttpOnly; SameSite=Strict",
        "visitor=1; Max-Age=60",
        "visitor=1; Expires=Wed, 01 Jan 2070 00:00:00 GMT",
        "visitor=1; Domain=127.0.0.1",
    ],
)
def test_a_redirect_to_itself_with_a_cookie_is_followed(
    serve: Serve, outbound: OutboundClient, set_cookie: str
) -> None:
    server = serve(wanting_cookie(set_cookie))
    assert outbound.get(server.url + "/a/b.pdf", LIMITS) == Response(200, {"content-length": "3"}, b"abc", NOW)
    assert len(server.requests) == 2
    outbound.get(server.url + "/a/b.pdf", LIMITS)
    assert b"Cookie:" not in server.requests[2], "a cookie outlives no fetch"


@pytest.mark.parametrize(
    "set_cookie",
    [
        "visitor=1; Path=/elsewhere",
        "visitor=1; Domain=other.example",
        "visitor=1; Max-Age=0",
        "visitor=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "visitor=1; Secure",
        "visitor=" + "1" * 5_000,
    ],
)
def test_a_cookie_that_does_not_belong_to_the_request_is_not_sent(
    serve: Serve, outbound: OutboundClient, set_cookie: str
) -> None:
    server = serve(wanting_cookie(set_cookie))
    assert outbound.get(server.url + "/a/b.pdf", LIMITS) == RequestFailure("redirect loop", bad_redirect=True)


def test_a_cookie_in_latin_1_comes_back_as_it_was_set(serve: Serve, outbound: OutboundClient) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            redirect = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\nSet-Cookie: v=\xe9\r\n\r\n"
            connection.sendall(whole(b"abc") if b"\r\nCookie: v=\xe9\r\n" in request else redirect)

    assert isinstance(outbound.get(serve(script).url + "/", LIMITS), Response)


def test_several_cookies_are_sent_together_and_a_later_one_replaces(serve: Serve, outbound: OutboundClient) -> None:
    lines = [("/2", "Set-Cookie: a=1", "Set-Cookie: b=2"), ("/3", "Set-Cookie: a=3", "Set-Cookie: b=; Max-Age=0")]

    def script(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            if len(server.requests) > len(lines):
                connection.sendall(whole(b"abc"))
            else:
                location, *cookies = lines[len(server.requests) - 1]
                connection.sendall(whole(b"", "302 Found", f"Location: {location}", *cookies))

    server = serve(script)
    assert isinstance(outbound.get(server.url + "/1", LIMITS), Response)
    cookies = [line for request in server.requests for line in request.split(b"\r\n") if line.startswith(b"Cookie:")]
    assert cookies == [b"Cookie: a=1; b=2", b"Cookie: a=3"]


def test_a_cookie_is_sent_to_its_own_server_only(serve: Serve, outbound: OutboundClient) -> None:
    def away(server: Server, connection: socket.socket) -> None:
        redirecting(f"{home.url}/back")(server, connection)

    other = serve(away)

    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            back = request.startswith(b"GET /back")
            redirect = whole(b"", "302 Found", f"Location: {other.url}/", "Set-Cookie: visitor=1; Path=/")
            connection.sendall(whole(b"abc") if back else redirect)

    home = serve(script)
    assert isinstance(outbound.get(home.url + "/", LIMITS), Response)
    assert b"visitor" not in other.requests[0]
    assert b"\r\nCookie: visitor=1\r\n" in home.requests[1]


def test_a_cookie_is_not_sent_to_another_name_of_the_same_machine(serve: Serve, names: dict[str, list[str]]) -> None:
    names.update(
        {"tickets.example": ["127.0.0.1"], "files.tickets.example": ["127.0.0.1"], "evil.example": ["127.0.0.1"]}
    )

    def script(server: Server, connection: socket.socket) -> None:
        here = {b"/1": "files.tickets.example", b"/2": "evil.example"}
        while request := server.hear(connection):
            host = here.get(request.split()[1])
            number = len(server.requests) + 1
            cookies = ["Set-Cookie: own=1; Path=/", "Set-Cookie: shared=2; Path=/; Domain=tickets.example"]
            location = f"Location: http://{host}:{server.port}/{number}"
            connection.sendall(whole(b"", "302 Found", location, *cookies) if host else whole(b"abc"))

    server = serve(script)
    outbound = client("tickets.example", "files.tickets.example", "evil.example")
    assert isinstance(outbound.get(f"http://tickets.example:{server.port}/1", LIMITS), Response)
    first, second, third = server.requests
    assert b"Cookie:" not in first
    assert b"\r\nCookie: shared=2\r\n" in second
    assert b"Cookie:" not in third


def test_cookies_are_bounded(serve: Serve, outbound: OutboundClient) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            number = len(server.requests)
            cookies = [f"Set-Cookie: c{number}-{each}={'x' * 1_000}; Path=/" for each in range(40)]
            connection.sendall(whole(b"", "302 Found", f"Location: /{number}", *cookies))

    server = serve(script)
    assert outbound.get(server.url, LIMITS) == RequestFailure("more than 10 redirects", bad_redirect=True)
    assert max(map(len, server.requests)) < 20_000


def test_a_post_keeps_no_cookies_and_follows_nothing(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(wanting_cookie("visitor=1"))
    for _ in range(2):
        response = outbound.post(server.url, b"{}", {}, LIMITS)
        assert isinstance(response, Response)
        assert response.status == 302
    assert not any(b"Cookie:" in request for request in server.requests)


def test_a_relative_redirect_is_followed_on_the_same_host(serve: Serve, outbound: OutboundClient) -> None:
    def script(server: Server, connection: socket.socket) -> None:
        while request := server.hear(connection):
            here = request.startswith(b"GET /a/b ")
            connection.sendall(whole(b"", "302 Found", "Location: ../c d") if here else whole(b"abc"))

    server = serve(script)
    response = outbound.get(server.url + "/a/b", LIMITS)
    assert isinstance(response, Response)
    assert response.body == b"abc"
    assert server.requests[1].startswith(b"GET /c%20d HTTP/1.1\r\n")


def test_each_url_of_a_chain_of_redirects_gets_its_own_headers(serve: Serve, outbound: OutboundClient) -> None:
    other = serve(saying(whole(b"abc")))
    server = serve(redirecting(f"{other.url}/a"))
    outbound.get(server.url, LIMITS, lambda url: {"X-For": url})
    assert f"\r\nX-For: {server.url}\r\n".encode() in server.requests[0]
    assert f"\r\nX-For: {other.url}/a\r\n".encode() in other.requests[0]


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "http://user:word@127.0.0.1/",
        "//0x7f.2/",
    ],
)
def test_a_redirect_is_checked_like_any_url(serve: Serve, location: str) -> None:
    server = serve(redirecting(location))
    response = client("127.0.0.1").get(server.url, LIMITS)
    assert isinstance(response, RequestFailure)
    assert response.refused


def test_a_redirect_to_a_private_address_is_rejected(serve: Serve, names: dict[str, list[str]]) -> None:
    inside = serve(saying(whole(b"secret")))
    names.update({"outside.example": ["127.0.0.1"], "inside.example": ["127.0.0.1"]})
    outside = serve(redirecting(f"http://inside.example:{inside.port}/"))
    response = client("outside.example").get(f"http://outside.example:{outside.port}/", LIMITS)
    assert response == NOT_PUBLIC
    assert inside.connections == 0


def test_a_redirect_that_cannot_be_read_is_a_failure(serve: Serve, outbound: OutboundClient) -> None:
    assert isinstance(outbound.get(serve(redirecting("http://[")).url, LIMITS), RequestFailure)


# Limits and the environment


@pytest.mark.parametrize("label", [(), ("Content-Encoding: gzip",), ("Content-Encoding: UTF-8",)], ids=str)
@pytest.mark.parametrize(
    "pack",
    [bytes, gzip.compress, lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])],
    ids=["plain", "gzip", "two members"],
)
def test_a_file_is_unpacked_as_its_bytes_are(
    serve: Serve, outbound: OutboundClient, label: tuple[str, ...], pack: Callable[[bytes], bytes]
) -> None:
    """Whatever its label says; a file that is not packed, such as a zip archive, stays as it is."""
    for body in (b"%PDF-1.7 \x00\x01 %%EOF", b"PK\x03\x04 \x00\x01"):
        into = BytesIO()
        response = outbound.get(serve(saying(whole(pack(body), "200 OK", *label))).url, LIMITS, into=into)
        assert isinstance(response, Response)
        assert into.getvalue() == body


@pytest.mark.parametrize(
    "said",
    [
        whole(b"x" * 1_001),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_001,
        whole(gzip.compress(b"x" * 1_001), "200 OK", "Content-Encoding: gzip"),
    ],
    ids=["too large", "says so", "until close", "unpacked"],
)
def test_a_file_that_is_too_large_is_rejected(serve: Serve, outbound: OutboundClient, said: bytes) -> None:
    assert outbound.get(serve(once(said)).url, LIMITS) == RequestFailure("response larger than 1000 bytes")


def test_a_truncated_response_is_a_failure(serve: Serve, outbound: OutboundClient) -> None:
    response = outbound.get(serve(once(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")).url, LIMITS)
    assert response == RequestFailure("connection closed before the full response")


def test_time_is_bounded_over_all_redirects_together(serve: Serve, outbound: OutboundClient, clock: Clock) -> None:
    def sleepy(response: bytes) -> Script:
        """Half of the time has gone by before it responses."""

        def script(server: Server, connection: socket.socket) -> None:
            server.hear(connection)
            clock.now += LIMITS.total_timeout / 2
            connection.sendall(response)

        return script

    url = serve(sleepy(whole())).url
    assert isinstance(outbound.get(url, LIMITS), Response)
    for _ in range(2):
        url = serve(sleepy(whole(b"", "302 Found", f"Location: {url}"))).url
    began = clock.now
    response = outbound.get(url, LIMITS)
    assert isinstance(response, RequestFailure)
    assert not response.refused
    assert clock.now == began + LIMITS.total_timeout, "two were asked, and the last one not any more"


def test_cookies_are_not_stored(serve: Serve, outbound: OutboundClient) -> None:
    server = serve(saying(whole(b"", "200 OK", "Set-Cookie: a=b")))
    for _ in range(2):
        outbound.get(server.url, LIMITS)
    assert b"cookie" not in server.requests[1].lower()
    assert server.connections == 1


def test_https_is_verified(serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve(over_tls(certificate))
    url = f"https://localhost:{server.port}/"
    assert client(*LOOPBACK).get(url, LIMITS) == RequestFailure("TLS certificate verification failed")
    trust(monkeypatch, certificate)
    trusting = client(*LOOPBACK)
    assert trusting.get(url, LIMITS) == Response(200, {"content-length": "8"}, b"over TLS", NOW)
    other = trusting.get(f"https://127.0.0.1:{server.port}/", LIMITS)
    assert other == RequestFailure("TLS certificate verification failed")
    trusting.close()


def test_a_redirect_leads_from_http_to_https_and_never_back(
    serve: Serve, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = serve(saying(whole(b"in the clear")))
    tls = serve(over_tls(certificate))
    down = serve(over_tls(certificate, redirecting(plain.url)))
    trust(monkeypatch, certificate)
    trusting = client(*LOOPBACK)
    up = serve(redirecting(f"https://localhost:{tls.port}/"))
    assert trusting.get(up.url, LIMITS) == Response(200, {"content-length": "8"}, b"over TLS", NOW)
    refused = trusting.get(f"https://localhost:{down.port}/", LIMITS)
    assert refused == RequestFailure("a redirect leads from https to http", bad_redirect=True)
    assert plain.connections == 0
    trusting.close()
