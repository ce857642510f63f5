"""URLs as servers write them."""

import pytest

from willcall.http.urls import RedirectError, escape, redirect_target


@pytest.mark.parametrize(
    ("url", "escaped"),
    [
        ("https://x.example/a b?c=d e", "https://x.example/a%20b?c=d%20e"),
        (" https://x.example/a\n", "https://x.example/a"),
        ("https://x.example/Zürich", "https://x.example/Z%C3%BCrich"),
        ("https://x.example/a%20b", "https://x.example/a%20b"),
        ("https://Bücher.example:8443/é", "https://xn--bcher-kva.example:8443/%C3%A9"),
        ("//bücher.example", "//xn--bcher-kva.example"),
        ("https://[2001:db8::1]:8443/é", "https://[2001:db8::1]:8443/%C3%A9"),
        ("/a//é", "/a//%C3%A9"),
    ],
)
def test_a_url_is_written_as_browsers_send_it(url: str, escaped: str) -> None:
    assert escape(url) == escaped


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("https://x.example/a/b", "c?d=e#f", "https://x.example/a/c?d=e"),
        ("https://x.example/a/b", "//y.example/c", "https://y.example/c"),
        ("http://x.example/a", "https://x.example/a", "https://x.example/a"),
        ("https://x.example/a", "http://x.example/b?c", "https://x.example/b?c"),
        ("https://x.example/a", "http://X.example:80/b", "https://X.example/b"),
        ("https://x.example/a", "HTTP://x.example/b", "https://x.example/b"),
        ("https://x.example:443/a", "http://x.example/b", "https://x.example/b"),
        ("http://x.example/a", "http://y.example/b", "http://y.example/b"),
        ("http://x.example/a", "ftp://y.example/b", "ftp://y.example/b"),
    ],
)
def test_redirects_are_resolved(url: str, location: str, target: str) -> None:
    assert redirect_target(url, location) == target


@pytest.mark.parametrize(
    ("url", "location", "why"),
    [
        ("https://x.example/", "http://y.example/", "from https to http"),
        ("https://x.example/", "http://x.example:8080/", "from https to http"),
        ("https://x.example:8443/", "http://x.example/", "from https to http"),
        ("https://x.example/", "http://x.example.evil.example/", "from https to http"),
        ("https://x.example/", "http://[::1", "cannot be read"),
        ("https://x.example/", "http://x.example:port/", "cannot be read"),
    ],
)
def test_redirects_that_are_not_followed(url: str, location: str, why: str) -> None:
    with pytest.raises(RedirectError, match=why):
        redirect_target(url, location)
