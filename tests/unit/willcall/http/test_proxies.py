"""Requests through real proxies on loopback, unkind ones among them."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.proxy_server import REJECTED, proxying
from tests.scripted_server import Serve, Server, once, over_tls, saying, whole
from willcall.http.address_guard import AddressGuard
from willcall.http.messages import HttpLimits, Request, Response
from willcall.http.outbound import OutboundClient, RequestFailure
from willcall.http.routes import DIRECT, Authorities, Proxy, Route, parse_authorities, parse_proxy
from willcall.orders.outcomes import Unavailable
from willcall.providers.base import Account
from willcall.providers.tiqets import ADAPTER
from willcall.providers.transport import ProviderTransport

LIMITS = HttpLimits(connect_timeout=60, read_timeout=60, total_timeout=60, max_bytes=1_000)
PUBLIC, OTHER_PUBLIC = "93.184.215.14", "93.184.215.15"
LOGIN = "user:p4ss/word"
MakeClient = Callable[..., OutboundClient]


@pytest.fixture
def transport() -> Iterator[ProviderTransport]:
    transport = ProviderTransport()
    yield transport
    transport.close()


@pytest.fixture
def authorities(certificate: Path) -> Authorities:
    return parse_authorities(certificate.read_bytes())


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What names mean here: one or several addresses. Other names are unknown."""
    known = {"127.0.0.1": "127.0.0.1", "localhost": "127.0.0.1"}

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple]:
        if host not in known:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in known[host].split()]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return known


def proxy_at(server: Server, login: str = "") -> Proxy:
    user, _, password = login.partition(":")
    return Proxy("127.0.0.1", server.port, tls=False, username=user, password=password)


def account(route: Route, **limits: Any) -> Account:
    credentials = ADAPTER.credentials.model_validate({"api_key": "s3cret"})
    rate, polling = ADAPTER.defaults.rate, ADAPTER.defaults.polling
    http = replace(LIMITS, **limits)
    return Account("tiqets", "default", ADAPTER, credentials, rate, polling, http=http, route=route)


# To providers


def test_https_is_tunnelled_to_the_name_which_the_proxy_resolves(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path, names: dict[str, str]
) -> None:
    provider = serve(over_tls(certificate))
    del names["localhost"]
    proxy = serve(proxying(login=LOGIN, known={f"localhost:{provider.port}": provider.port}))
    to = account(Route(proxy_at(proxy, LOGIN), authorities))
    for _ in range(2):
        answer = transport.exchange(to, Request("GET", f"https://localhost:{provider.port}/orders"))
        assert isinstance(answer, Response)
        assert answer.body == b"over TLS"
    assert len(proxy.requests) == 1, "the second request uses the same tunnel"
    assert proxy.requests[0].startswith(f"CONNECT localhost:{provider.port} HTTP/1.1\r\n".encode())
    assert b"Proxy-Authorization" not in b"".join(provider.requests)
    assert LOGIN.partition(":")[2] not in repr(to)


def test_http_is_forwarded_with_the_whole_url(serve: Serve, transport: ProviderTransport) -> None:
    provider = serve(saying(whole()))
    proxy = serve(proxying(login=LOGIN))
    answer = transport.exchange(
        account(Route(proxy_at(proxy, LOGIN))), Request("GET", provider.url + "//a?b", headers={"X": "y"})
    )
    assert isinstance(answer, Response)
    assert proxy.requests[0].startswith(f"GET {provider.url}//a?b HTTP/1.1\r\n".encode())
    assert f"Host: 127.0.0.1:{provider.port}\r\n".encode() in proxy.requests[0]
    assert provider.requests[0].startswith(b"GET //a?b HTTP/1.1\r\n")
    assert b"Proxy-Authorization" not in provider.requests[0]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_proxy_may_need_tls_itself(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path, scheme: str
) -> None:
    provider = serve(over_tls(certificate) if scheme == "https" else saying(whole(b"over TLS")))
    proxy = serve(over_tls(certificate, proxying()))
    to = account(Route(Proxy("localhost", proxy.port, tls=True), authorities))
    for _ in range(2):
        answer = transport.exchange(to, Request("GET", f"{scheme}://localhost:{provider.port}/"))
        assert isinstance(answer, Response)
        assert answer.body == b"over TLS"
    assert proxy.connections == 1
    untrusted = replace(to, route=Route(to.route.proxy))
    answer = transport.exchange(untrusted, Request("GET", f"{scheme}://localhost:{provider.port}/"))
    assert answer == Unavailable(request_sent=False, detail="proxy: TLS certificate verification failed")


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (REJECTED, "the proxy rejected our user name and password (HTTP 407)"),
        (whole(b"", "403 Forbidden"), "the proxy does not allow this host (HTTP 403)"),
        (whole(b"", "502 Bad Gateway"), "the proxy could not connect to the host (HTTP 502)"),
        (
            whole(b"", "503 Service Unavailable", "Retry-After: 999"),
            "the proxy could not connect to the host (HTTP 503)",
        ),
        (whole(b"", "400 Bad Request"), "the proxy refused (HTTP 400)"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the proxy's response is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "the proxy's response is incomplete"),
        (b"x" * 20_000, "the proxy's response is incomplete"),
        (b"", "the proxy's response is incomplete"),
    ],
)
def test_a_refusal_of_the_proxy_is_no_answer_of_the_provider(
    serve: Serve, transport: ProviderTransport, answer: bytes, detail: str
) -> None:
    proxy = serve(once(answer))
    outcome = transport.exchange(
        account(Route(proxy_at(proxy, LOGIN))), Request("GET", "https://api.provider.example/orders/s3cret")
    )
    assert outcome == Unavailable(request_sent=False, detail=detail)


def test_a_rejected_password_for_a_forwarded_request_is_no_answer_either(
    serve: Serve, transport: ProviderTransport
) -> None:
    proxy = serve(proxying(login=LOGIN))
    outcome = transport.exchange(account(Route(proxy_at(proxy))), Request("GET", "http://127.0.0.1:9/"))
    assert outcome == Unavailable(request_sent=False, detail="the proxy rejected our user name and password (HTTP 407)")


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway"])
def test_what_comes_through_the_tunnel_is_the_provider_s_answer(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path, status: str
) -> None:
    provider = serve(over_tls(certificate, saying(whole(b"", status))))
    to = account(Route(proxy_at(serve(proxying())), authorities))
    answer = transport.exchange(to, Request("GET", f"https://localhost:{provider.port}/"))
    assert isinstance(answer, Response)
    assert answer.status == int(status[:3])


def test_a_proxy_that_cannot_be_reached_is_named(transport: ProviderTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    to = account(Route(Proxy("127.0.0.1", port, tls=False)))
    for scheme in ("http", "https"):
        outcome = transport.exchange(to, Request("GET", f"{scheme}://127.0.0.1:9/"))
        assert outcome == Unavailable(request_sent=False, detail="proxy: connection refused")


def test_a_proxy_that_drips_its_answer_ends_in_time(serve: Serve, transport: ProviderTransport) -> None:
    proxy = serve(lambda server, connection: server.drip(connection, b"x"))
    to = account(Route(proxy_at(proxy)), total_timeout=0.3)
    outcome = transport.exchange(to, Request("GET", "https://127.0.0.1:9/"))
    assert outcome == Unavailable(request_sent=False, detail="proxy: connection timed out")


def test_a_handshake_that_drips_through_a_proxy_with_tls_ends_in_time(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path
) -> None:
    provider = serve(lambda server, connection: server.drip(connection, b"\x16\x03\x01\x3f\xff"))
    proxy = serve(over_tls(certificate, proxying()))
    to = account(Route(Proxy("localhost", proxy.port, tls=True), authorities), total_timeout=1.0)
    outcome = transport.exchange(to, Request("GET", f"https://localhost:{provider.port}/"))
    assert isinstance(outcome, Unavailable)
    assert not outcome.request_sent


def test_nothing_is_sent_twice_through_a_proxy(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path
) -> None:
    provider = serve(over_tls(certificate, once()))
    to = account(Route(proxy_at(serve(proxying())), authorities))
    outcome = transport.exchange(to, Request("POST", f"https://localhost:{provider.port}/", body=b"x"))
    assert isinstance(outcome, Unavailable)
    assert outcome.request_sent
    assert len(provider.requests) == 1


def test_further_authorities_are_trusted_by_their_account_alone(
    serve: Serve, transport: ProviderTransport, authorities: Authorities, certificate: Path
) -> None:
    provider = serve(over_tls(certificate))
    request = Request("GET", f"https://localhost:{provider.port}/")
    assert isinstance(transport.exchange(account(Route(authorities=authorities)), request), Response)
    outcome = transport.exchange(account(DIRECT), request)
    assert outcome == Unavailable(request_sent=False, detail="TLS certificate verification failed")


# To URLs from outside


@pytest.fixture
def outbound_to() -> Iterator[MakeClient]:
    clients: list[OutboundClient] = []

    def make(proxy: Server, *allow: str, authorities: Authorities | None = None) -> OutboundClient:
        clients.append(OutboundClient(AddressGuard(allow), route=Route(proxy_at(proxy), authorities)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_the_proxy_connects_to_the_address_that_was_checked(
    serve: Serve, outbound_to: MakeClient, names: dict[str, str]
) -> None:
    backend = serve(saying(whole(b"here")))
    names["shop.example"] = PUBLIC
    proxy = serve(proxying(known={f"{PUBLIC}:80": backend.port}))
    response = outbound_to(proxy).get("http://shop.example/a", LIMITS)
    assert isinstance(response, Response)
    assert proxy.requests[0].startswith(f"CONNECT {PUBLIC}:80 HTTP/1.1\r\n".encode())
    assert backend.requests[0].startswith(b"GET /a HTTP/1.1\r\nHost: shop.example\r\n")


def test_the_certificate_must_match_the_name_and_not_the_address(
    serve: Serve,
    outbound_to: MakeClient,
    names: dict[str, str],
    authorities: Authorities,
    certificate: Path,
) -> None:
    backend = serve(over_tls(certificate))
    names["localhost"] = names["shop.example"] = PUBLIC
    outbound = outbound_to(serve(proxying(known={f"{PUBLIC}:443": backend.port})), authorities=authorities)
    assert isinstance(outbound.get("https://localhost/", LIMITS), Response)
    assert outbound.get("https://shop.example/", LIMITS) == RequestFailure("TLS certificate verification failed")


def test_no_private_address_is_reached_through_a_proxy(
    serve: Serve, outbound_to: MakeClient, names: dict[str, str]
) -> None:
    proxy = serve(proxying())
    names["shop.example"] = "10.0.0.1"
    outbound = outbound_to(proxy)
    for url in ("http://shop.example/", "https://shop.example/", "http://127.0.0.1:9/"):
        answer = outbound.get(url, LIMITS)
        assert isinstance(answer, RequestFailure)
        assert answer.refused
    assert not proxy.requests


def test_an_allowed_private_address_is_reached_directly(
    serve: Serve, outbound_to: MakeClient, names: dict[str, str]
) -> None:
    backend, proxy = serve(saying(whole())), serve(proxying())
    names["shop"] = "127.0.0.1"
    answer = outbound_to(proxy, "shop").post(f"http://shop:{backend.port}/", b"x", {}, LIMITS)
    assert isinstance(answer, Response)
    assert not proxy.requests


def test_the_next_address_is_tried_if_the_proxy_cannot_connect(
    serve: Serve, outbound_to: MakeClient, names: dict[str, str]
) -> None:
    backend = serve(saying(whole()))
    names["shop.example"] = f"{OTHER_PUBLIC} {PUBLIC}"
    working = proxying(known={f"{PUBLIC}:80": backend.port})

    def script(server: Server, connection: socket.socket) -> None:
        script = working if server.requests else once(whole(b"", "502 Bad Gateway"))
        script(server, connection)

    proxy = serve(script)
    assert isinstance(outbound_to(proxy).get("http://shop.example/", LIMITS), Response)
    assert [head.split()[1] for head in proxy.requests] == [f"{OTHER_PUBLIC}:80".encode(), f"{PUBLIC}:80".encode()]


@pytest.mark.usefixtures("names")
def test_the_provider_s_own_documents_take_the_route_of_the_account(serve: Serve, outbound_to: MakeClient) -> None:
    provider, general = serve(saying(whole(b"a ticket"))), serve(proxying())
    proxy = serve(proxying(known={"api.provider.example": provider.port}))
    route = Route(proxy_at(proxy))
    answer = outbound_to(general).get(
        "http://api.provider.example/t.pdf",
        LIMITS,
        own_route=lambda url: route if url.startswith("http://api.provider.example/") else None,
    )
    assert isinstance(answer, Response)
    assert answer.body == b"a ticket"
    assert not general.requests


# Addresses of proxies


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy:3128", Proxy("proxy", 3128, tls=False)),
        ("http://proxy", Proxy("proxy", 80, tls=False)),
        ("https://user:p%40ss@proxy.example/", Proxy("proxy.example", 443, tls=True, username="user", password="p@ss")),
        ("http://[fd00::1]:3128", Proxy("fd00::1", 3128, tls=False)),
    ],
)
def test_addresses_of_proxies(url: str, expected: Proxy) -> None:
    assert parse_proxy(url) == expected


@pytest.mark.parametrize(
    "url", ["", "proxy:3128", "socks5://s3cret:1", "http://", "http://s3cret:x", "http://a:s3cret/x@h:1", "http://h:0"]
)
def test_what_is_no_address_of_a_proxy_is_an_error_that_does_not_show_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not") as caught:
        parse_proxy(url)
    assert "s3cret" not in str(caught.value)
