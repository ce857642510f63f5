"""JSON as providers print it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.http.messages import Response
from willcall.orders.outcomes import Malformed
from willcall.providers.lenient_json import read_lenient, read_lenient_object, repair

# Texts that look like what is repaired, so that strings which hold it are tried often.
TRAPS = st.sampled_from([",]", ",}", "// no", "https://example.com", '"', "\\", "\\\\", "\n", ", ]"])
TEXTS = st.lists(TRAPS | st.text(st.characters(exclude_categories=("Cs",)), max_size=5), max_size=4).map("".join)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def respond(body: str | bytes) -> Response:
    return Response(200, {}, body.encode() if isinstance(body, str) else body, 0.0)


def printed(value: Any) -> str:
    """JSON the way a careless page prints it: a comma after every entry, comments between."""
    if isinstance(value, list):
        return '[ // "a list", [of\n' + "".join(printed(entry) + " , // next\r\n" for entry in value) + "]"
    if isinstance(value, dict):
        entries = (f"{json.dumps(key)}: {printed(entry)},\n" for key, entry in value.items())
        return "{" + "".join(entries) + "// end }\n}"
    return json.dumps(value)


@given(value=VALUES, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_valid_json_keeps_its_meaning(value: Any, indent: int | None, *, ascii_only: bool) -> None:
    body = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert json.loads(repair(body)) == value
    assert read_lenient(respond(body)) == value


@given(VALUES)
def test_commas_and_comments_are_read_past(value: Any) -> None:
    assert read_lenient(respond(printed(value))) == value


@given(st.text() | st.lists(st.sampled_from(list('{}[]",/\\ \n:1a')), max_size=60).map("".join))
def test_no_text_raises(text: str) -> None:
    repair(text)
    read_lenient(respond(text.encode(errors="surrogatepass")))


@given(st.binary())
def test_no_bytes_raise(body: bytes) -> None:
    read_lenient_object(respond(body))


def test_a_comment_that_the_text_ends_in_stops_before_the_closing_brackets() -> None:
    assert read_lenient(respond('{"a": [ // See "b]" there. // And this. ] } ')) == {"a": []}


@pytest.mark.parametrize(
    "body", ["[1 /* see [2], */ ]", "/* a\n* b **/ [/**/1,/* c */]", "[1] /* x */", '[1 /* "2 */]']
)
def test_block_comments_are_read_past(body: str) -> None:
    assert read_lenient(respond(body)) == [1]


def test_a_string_may_look_like_a_block_comment() -> None:
    assert read_lenient(respond('["/* a */",]')) == ["/* a */"]


def test_brackets_inside_a_comment_that_ends_with_its_line_are_not_closing_ones() -> None:
    assert read_lenient(respond("[1 // see [2]\n]")) == [1]


@pytest.mark.parametrize("body", ["", "{", '{"a": }', "[1 2]", "{,", '["open', "/* block */ 1 x", "[1,,]"])
def test_invalid_json_is_malformed(body: str) -> None:
    assert isinstance(read_lenient(respond(body)), Malformed)


def test_a_list_is_not_an_object() -> None:
    assert isinstance(read_lenient_object(respond("[1,]")), Malformed)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "body",
    ['\\"' * 2_000_000, "," * 4_000_000, '"' * 4_000_001, "[" + ", " * 2_000_000, "/" * 4_000_000, "/*" * 2_000_000],
)
def test_time_grows_with_the_length_only(body: str) -> None:
    assert isinstance(read_lenient(respond(body)), Malformed)
