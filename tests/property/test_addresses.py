"""Address classification over all addresses, with the standard library as a second opinion."""

import socket
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis.strategies import builds, integers, ip_addresses, one_of, sampled_from, text

from willcall.http.address_guard import AddressGuard, embedded_v4, is_public, parse_allowed
from willcall.http.messages import HttpLimits
from willcall.http.outbound import OutboundClient, RequestFailure

V4 = ip_addresses(v=4)  # leans towards the special blocks
V6 = one_of(ip_addresses(v=6), builds(lambda low: IPv6Address((0x2000 << 112) | low), integers(0, 2**125 - 1)))


@given(one_of(V4, V6))
def test_special_addresses_of_python_are_never_public(address: IPv4Address | IPv6Address) -> None:
    special = (
        address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or not address.is_global
    )
    assert not (special and is_public(address))


@given(V4)
def test_a_v4_address_wrapped_into_v6_is_never_public(address: IPv4Address) -> None:
    for wrapped in (
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(f"::{address}"),
        IPv6Address(f"64:ff9b::{address}"),
        IPv6Address((0x2002 << 112) | (int(address) << 80)),
    ):
        assert not is_public(wrapped)


@given(V4, sampled_from(["::ffff:{}", "64:ff9b::{}", "{}"]))
def test_an_allowed_v4_network_includes_every_notation_of_its_addresses(address: IPv4Address, form: str) -> None:
    guard = AddressGuard([f"{address}/32"])
    assert guard.admits("x.example", str(IPv6Address(form.format(address)) if ":" in form else address))


@given(one_of(V4, V6))
def test_only_public_addresses_are_admitted_by_default(address: IPv4Address | IPv6Address) -> None:
    assert AddressGuard().admits("x.example", str(address)) is is_public(address)
    inner = embedded_v4(address)
    assert inner is None or not is_public(address)


#: Made once: reading the certificates of the world takes longer than all that a URL is judged by.
OUTBOUND = OutboundClient(AddressGuard())
URLS = one_of(
    text(),
    builds("http://{}{}".format, text(alphabet="[]:@%/?#.\\\\ 0aé"), text()),
    builds("http://{}/".format, ip_addresses()),
)


@given(URLS)
def test_any_url_is_admitted_or_rejected_without_another_error(url: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", fail)
        for reply in (OUTBOUND.get(url, HttpLimits()), OUTBOUND.post(url, b"", {}, HttpLimits())):
            assert isinstance(reply, RequestFailure)
    refusal = AddressGuard().refusal(url)
    assert refusal is None or len(url) < 5 or url not in refusal


@pytest.mark.parametrize(
    "public", ["1.1.1.1", "8.8.8.8", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255", "2a00:1450::1"]
)
def test_public_addresses_are_admitted(public: str) -> None:
    network = parse_allowed(public)
    assert not isinstance(network, str)
    assert is_public(network.network_address)


@pytest.mark.parametrize(
    "host", ["localhost", "shop", "shop.", "SHOP", "app.localhost", "shop.local", "shop.internal", "nas.home.arpa"]
)
def test_a_local_name_is_refused_in_advance_unless_it_or_a_network_is_allowed(host: str) -> None:
    url = f"http://{host}:8000/hook"
    why = AddressGuard().refusal_in_advance(url)
    assert why == "the host is in a private network, and not in `outbound.allow`"
    assert AddressGuard(["another.internal"]).refusal_in_advance(url) == why
    assert AddressGuard([host]).refusal_in_advance(url) is None
    assert AddressGuard(["10.0.0.0/8"]).refusal_in_advance(url) is None, "it may resolve to an address in there"
    assert AddressGuard().refusal(url) is None, "what it resolves to is checked when it is used"


@pytest.mark.parametrize("host", ["shop.example", "internal.example", "1.1.1.1", "[2a00:1450::1]", "134744072"])
def test_other_names_and_public_addresses_are_not_refused_in_advance(host: str) -> None:
    assert AddressGuard().refusal_in_advance(f"http://{host}/hook") is None


@given(URLS)
def test_what_is_refused_is_refused_in_advance(url: str) -> None:
    guard = AddressGuard()
    assert guard.refusal(url) is None or guard.refusal_in_advance(url) == guard.refusal(url)
