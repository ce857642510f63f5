"""What may pass into a path or a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from willcall.providers.safe import HeaderSecret, check_path_segment, path_segment, status_word


@pytest.mark.parametrize(
    "value", ["", " ", ".", "..", "a/b", "../a", "a\\b", "a b", "a\n", "\x00", "\ud800", "a" * 256]
)
def test_what_could_leave_its_place_in_the_path_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as refused:
        check_path_segment(value)
    if len(value) > 2:
        assert value not in str(refused.value)


@given(st.text(min_size=1, max_size=255))
def test_what_is_accepted_stays_one_segment(value: str) -> None:
    try:
        check_path_segment(value)
    except ValueError:
        return
    encoded = path_segment(value)
    assert encoded.isascii()
    assert not set("/?#\\ ") & set(encoded)
    assert encoded not in {".", ".."}


@pytest.mark.parametrize("secret", ["", "two words", "line\n", "\x7f", "clé"])
def test_a_secret_that_no_header_can_hold_is_refused_unseen(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(HeaderSecret).validate_python(SecretStr(secret))
    assert not secret or secret not in str(refused.value)


def test_a_status_word_is_kept_as_printed_and_cut() -> None:
    assert status_word(" Sale on Hold ") == "Sale on Hold"
    assert status_word("x" * 1_000) == "x" * 64
    assert status_word(["paid"]) is None
