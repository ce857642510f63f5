from io import BytesIO

import pytest

from willcall.cli.commands.import_orders import LONGEST_LINE, BadLineError, numbered_lines, read_line


def test_lines_are_numbered_from_one_and_the_last_needs_no_end() -> None:
    assert list(numbered_lines(BytesIO(b"{}\n\n{}"))) == [(1, b"{}\n"), (2, b"\n"), (3, b"{}")]


def test_a_line_that_is_too_long_is_neither_stored_nor_split() -> None:
    huge = b"x" * (3 * LONGEST_LINE) + b"\n"
    lines = list(numbered_lines(BytesIO(huge + b"{}\n")))
    assert [(number, len(line)) for number, line in lines] == [(1, LONGEST_LINE + 1), (2, 3)]


@pytest.mark.parametrize("length", [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 2 * LONGEST_LINE + 1])
def test_the_next_line_keeps_its_number_whatever_the_length_before(length: int) -> None:
    lines = list(numbered_lines(BytesIO(b"x" * (length - 1) + b"\n" + b"{}\n")))
    assert [number for number, _ in lines] == [1, 2]
    assert lines[1][1] == b"{}\n"


def test_a_line_holds_one_object() -> None:
    assert read_line('\ufeff{"reference": "é"}\n'.encode()) == {"reference": "é"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "is not JSON"),
        (b"\xff\n", "is not UTF-8"),
        (b"[1]\n", "is not a JSON object"),
        (b"null\n", "is not a JSON object"),
        (b"[" * 60_000, "is nested too deeply"),
        (b" " * (LONGEST_LINE + 1), "is longer than 64 kB"),
    ],
)
def test_the_error_of_a_line_is_reported(line: bytes, problem: str) -> None:
    with pytest.raises(BadLineError, match=problem):
        read_line(line)
