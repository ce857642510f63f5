"""JSON in the charsets that providers print it in, with and without saying so."""

import codecs
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.http.charsets import decode_text
from willcall.http.messages import Response
from willcall.providers.lenient_json import read_lenient
from willcall.providers.reading import read_json

NAME = "Café Zoë, Öffnung 20 € für „Fußball“"
#: As software writes them: Latin-1 has no euro and no such quotes.
LATIN = "Café Zoë, Öffnung für Fußball"
POLISH, GREEK, JAPANESE = "Łódź, zażółć gęślą jaźń", "Αθήνα", "東京ドーム"


def read(body: bytes, label: str | None = None) -> object:
    return read_json(Response(200, {} if label is None else {"content-type": label}, body, received_at=0.0))


def written(value: Any, charset: str) -> bytes:
    return json.dumps({"name": value}, ensure_ascii=False).encode(charset)


@pytest.mark.parametrize(
    "label",
    [
        None,
        "",
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-16",
        "application/json; charset=iso-8859-1",
        'text/html; charset="windows-1252"',
        "application/json; charset=us-ascii",
        "application/json; charset=utf-7",
        "application/json; charset=unicode_escape",
        "application/json; charset=rot13",
        "application/json; charset=zlib",
        "application/json; charset=nonsense",
        "application/json; charset=iso-8859-99",
        "application/json; charset=",
        "charset=" + "x" * 5_000,
    ],
)
@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("utf-8", NAME),
        ("utf-8-sig", NAME),
        ("utf-16", NAME),
        ("utf-16-le", NAME),
        ("utf-16-be", NAME),
        ("utf-32", NAME),
        ("utf-32-le", NAME),
        ("windows-1252", NAME),
        ("latin-1", LATIN),
        ("utf-8", JAPANESE),
        ("utf-16", JAPANESE),
    ],
)
def test_the_bytes_decide_whatever_the_label_says(charset: str, name: str, label: str | None) -> None:
    assert read(written(name, charset), label) == {"name": name}


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("iso-8859-2", POLISH),
        ("windows-1250", POLISH),
        ("iso-8859-15", "20 €"),
        ("iso-8859-7", GREEK),
        ("koi8-r", "Москва"),
        ("windows-1251", "Москва"),
        ("shift_jis", JAPANESE),
        ("euc-jp", JAPANESE),
        ("gb18030", "北京"),
        ("big5", "臺北"),
        ("euc-kr", "서울"),
    ],
)
def test_other_charsets_are_read_where_the_label_names_them(charset: str, name: str) -> None:
    body = written(name, charset)
    assert read(body, f"application/json; charset={charset.upper()}") == {"name": name}
    assert isinstance(read(body), dict), "wrong letters, yet an order all the same"


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF8 * 2])
def test_byte_order_marks_are_removed(mark: bytes) -> None:
    assert read(mark + b'{"a": 1}') == {"a": 1}


def test_bytes_undefined_in_windows_1252_are_read_too() -> None:
    assert read(b'{"a": "\x81\x8d\x8f\x90\x9d \xe9"}') == {"a": "\x81\x8d\x8f\x90\x9d é"}


def test_a_truncated_utf_16_character_is_an_error() -> None:
    with pytest.raises(ValueError, match="truncated"):
        decode_text("{}".encode("utf-16") + b"x")


def test_json_with_extra_commas_is_read_in_any_charset() -> None:
    for charset in ("utf-8-sig", "latin-1", "utf-16"):
        body = f'{{"name": "{LATIN}",}} // fin'.encode(charset)
        assert read_lenient(Response(200, {}, body, received_at=0.0)) == {"name": LATIN}


@given(st.text(st.characters(codec="windows-1252"), min_size=1), st.sampled_from(["latin-1", None, "utf-8"]))
def test_any_western_text_is_read(name: str, label: str | None) -> None:
    """But for the rare text whose bytes are UTF-8 as well, which can mean either."""
    body = written(name, "windows-1252")
    text = decode_text(body, f"application/json; charset={label}" if label else "")
    try:
        body.decode()
    except UnicodeDecodeError:
        assert json.loads(text) == {"name": name}


@given(st.binary(max_size=100), st.text(max_size=40))
def test_any_bytes_are_text_or_a_value_error(body: bytes, label: str) -> None:
    try:
        decode_text(body, f"text/plain; charset={label}")
    except ValueError:
        assert b"\0" in body or body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-32-be", "windows-1252"])
@pytest.mark.parametrize("padding", ["\0", "\0" * 2_000, " \r\n\0\0"])
def test_trailing_nul_padding_is_removed(charset: str, padding: str) -> None:
    body = json.dumps({"name": LATIN}, ensure_ascii=False) + padding
    assert read(body.encode(charset)) == {"name": LATIN}
