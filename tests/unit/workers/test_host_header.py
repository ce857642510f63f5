"""Which `Host` headers a server without a password accepts."""

import pytest

from workers.host_header import accepts_host

ANY = "0.0.0.0"  # noqa: S104 - nothing listens


@pytest.mark.parametrize(
    ("header", "listens_on"),
    [
        ("localhost", "127.0.0.1"),
        ("LOCALHOST:5555", "127.0.0.1"),
        ("127.0.0.1:5555", "127.0.0.1"),
        ("127.9.9.9", "localhost"),
        ("[::1]:5555", "::1"),
        ("10.0.0.7:9464", "10.0.0.7"),
        ("10.0.0.7:9464", ANY),
        ("[fd00::7]:9464", "::"),
        ("localhost:9464", ANY),
    ],
)
def test_names_of_this_machine_and_addresses_of_an_open_server_are_accepted(header: str, listens_on: str) -> None:
    assert accepts_host(header, listens_on)


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "localhost", ANY, "::"])
@pytest.mark.parametrize(
    "header",
    [
        "",
        "evil.example",
        "evil.example:5555",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost:5555:80",
        "localhost/",
        "[::1",
        "127.0.0.1 evil.example",
    ],
)
def test_any_other_name_is_refused(header: str, listens_on: str) -> None:
    assert not accepts_host(header, listens_on)


def test_a_loopback_server_is_not_asked_for_by_another_address() -> None:
    assert not accepts_host("10.0.0.7:5555", "127.0.0.1")


def test_the_configured_host_is_accepted_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.host_header.loopback_only", lambda _: False)
    assert accepts_host("Worker-1.example:9464", "worker-1.example")
    assert not accepts_host("worker-2.example:9464", "worker-1.example")
