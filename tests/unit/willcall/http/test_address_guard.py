"""What may be reached, judged by URL and by address."""

import pytest

from willcall.http.address_guard import AddressGuard


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/", "neither http nor https"),
        ("file:///etc/passwd", "neither http nor https"),
        ("gopher://example.com/", "neither http nor https"),
        ("example.com/x", "neither http nor https"),
        ("//example.com/x", "neither http nor https"),
        ("http://user@example.com/", "credentials"),
        ("http://user:word@example.com/", "credentials"),
        ("http://example.com\\@127.0.0.1/", "characters"),
        ("http://example.com/\r\nX: y", "characters"),
        ("http://exämple.com/", "characters"),
        ("http://example.com/" + "x" * 9_000, "too long"),
        ("http://", "no host"),
        ("http:/example.com", "no host"),
        ("http://example.com:0/", "no port"),
        ("http://example.com:99999/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://127.0.0.1/", "not public"),
        ("http://127.1/", "not public"),
        ("http://2130706433/", "not public"),
        ("http://0x7f000001/", "not public"),
        ("http://0177.0.0.1/", "not public"),
        ("http://0/", "not public"),
        ("http://169.254.169.254/latest/meta-data/", "not public"),
        ("http://168.63.129.16/", "not public"),
        ("http://[::]/", "not public"),
        ("http://[::1]:8080/", "not public"),
        ("http://[::ffff:10.0.0.1]/", "not public"),
        ("http://[64:ff9b::a00:1]/", "not public"),
        ("http://[2002:a00:1::]/", "not public"),
        ("http://[fe80::1%25eth0]/", "not public"),
        ("http://[fd00:ec2::254]/", "not public"),
    ],
)
def test_a_url_is_rejected_without_quoting_it(url: str, why: str) -> None:
    refusal = AddressGuard().refusal(url)
    assert refusal is not None
    assert why in refusal
    assert "example" not in refusal


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/x?y=z#part",
        "HTTP://EXAMPLE.com:8443",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]/",
        "https://localhost/",
    ],
)
def test_a_url_passes_until_its_host_is_looked_up(url: str) -> None:
    assert AddressGuard().refusal(url) is None


@pytest.mark.parametrize(
    ("allow", "address", "admitted"),
    [
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "127.255.0.9", True),
        ("127.0.0.0/8", "::ffff:127.0.0.1", True),
        ("127.0.0.0/8", "64:ff9b::7f00:1", True),
        ("127.0.0.0/8", "10.0.0.1", False),
        ("127.0.0.0/8", "::1", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("::1", "::1", True),
        ("fd00::/8", "fd12::1", True),
        ("64:ff9b::/96", "64:ff9b::a00:1", True),
    ],
)
def test_only_the_allowed_networks_are_admitted(allow: str, address: str, *, admitted: bool) -> None:
    assert AddressGuard([allow]).admits("backend.example", address) is admitted


def test_a_name_is_allowed_whatever_its_address() -> None:
    guard = AddressGuard(["Backend.Internal."])
    assert guard.admits("backend.internal", "10.0.0.1")
    assert guard.admits("BACKEND.internal.", "::1")
    assert not guard.admits("other.internal", "10.0.0.1")
    assert not guard.admits("x.backend.internal", "10.0.0.1")
    assert guard.refusal("http://10.0.0.1/") == "the address is not public, and not in `outbound.allow`"


def test_an_invalid_address_is_not_admitted() -> None:
    assert not AddressGuard(["0.0.0.0/0", "::/0"]).admits("x.example", "")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("http://backend.internal", "neither"),
        ("backend.internal:8000", "neither"),
        ("backend.internal/path", "neither"),
        ("*.internal", "neither"),
        ("-x.internal", "neither"),
        ("a..b", "neither"),
        ("", "neither"),
        ("10.0.0", "neither"),
        ("10.0.0.0/33", "neither"),
        ("10.0.0.256", "neither"),
        ("127.0.0.1/8", "did you mean 127.0.0.0/8?"),
    ],
)
def test_an_invalid_entry_is_an_error(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=why.replace("?", r"\?")):
        AddressGuard([entry])
