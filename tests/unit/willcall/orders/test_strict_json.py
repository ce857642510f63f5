import json
import tracemalloc

import pytest

from willcall.orders.strict_json import MAX_KEYS, MAX_TOKENS, InvalidJsonError, parse_json


def test_valid_json_is_parsed() -> None:
    value = {"id": "é\u2028\U0001f600", "n": [1, -1.5, None, True], "empty": {}, "escaped": '"[{,\\'}
    assert parse_json(json.dumps(value).encode()) == parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "is not JSON: Expecting value"),
        (b'{"a": 1', "is not JSON"),
        (b'{"id": "\x00"}', "is not JSON: Invalid control character"),
        (b'{"id": "\xff"}', "is not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "is not UTF-8"),
        (b'{"id": "\\ud800"}', "contains text that UTF-8 cannot encode"),
        (b'{"\\uDFff": 1}', "contains text that UTF-8 cannot encode"),
        (b'{"quantity": ' + b"1" * 5_000 + b"}", "contains a number that is out of range"),
        (b'{"quantity": 1e999}', "contains a number that is out of range"),
        (b'{"quantity": -' + b"9" * 400 + b".0}", "contains a number that is out of range"),
        (b'{"quantity": NaN}', "contains a number that is out of range"),
        (b'{"quantity": -Infinity}', "contains a number that is out of range"),
        (b"[" * 60_000, "is nested too deeply"),
        (b'{"a":' * 60_000, "is nested too deeply"),
        (b'{"id": "a", "id": "b"}', "contains an object with the key 'id' twice"),
        (b'[{"metadata": {"a": "b", "a": "b"}}]', "the key 'a' twice"),
        (json.dumps(dict.fromkeys(map(str, range(MAX_KEYS + 1)))).encode(), "an object of more than 1,000 keys"),
    ],
)
def test_ambiguous_or_invalid_json_is_rejected_with_a_reason(text: bytes, problem: str) -> None:
    with pytest.raises(InvalidJsonError) as refused:
        parse_json(text)
    assert problem in str(refused.value)
    assert len(str(refused.value)) < 200


#: Pieces of which an endless text may be made; the proof tries the rest.
PIECES = [b"[],", b'{"":', b'"\\"",']
MORE_PIECES = [b"{},", b'"",', b'""', b"1,", b"[", b"[[", b",", b"{["]


@pytest.mark.parametrize("piece", [*PIECES, *(pytest.param(each, marks=pytest.mark.proof) for each in MORE_PIECES)])
def test_endless_punctuation_is_rejected_before_it_takes_memory(piece: bytes) -> None:
    text = b"[" + piece * (3_000_000 // len(piece))
    tracemalloc.start()
    with pytest.raises(InvalidJsonError, match="contains more than 500,000 values"):
        parse_json(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.parametrize("end", [b'"]', b'",1]'])
def test_punctuation_inside_strings_does_not_count(end: bytes) -> None:
    text = b'["' + rb"[{,\"\\ " * 600_000 + end
    assert len(parse_json(text)[0]) == 600_000 * 6


def test_an_unterminated_string_is_scanned_once() -> None:
    with pytest.raises(InvalidJsonError, match="is not JSON"):
        parse_json(b'"' + rb"\"" * MAX_TOKENS * 4)
