"""References in the paths of URLs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.providers.path_segments import check_path_segment, path_segment


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ".", "..", "a/b", "../a", "a\\b", "a b", "a\n", "\x00", "\ud800", "a" * 256),
        *("%2e%2e", "%252E.", "a%2f..%2Fb", "..%5c", "..;a"),
    ],
)
def test_a_value_that_could_leave_its_path_segment_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as refused:
        check_path_segment(value)
    if len(value) > 2:
        assert value not in str(refused.value)


@given(st.text(min_size=1, max_size=255))
def test_an_accepted_value_stays_one_segment(value: str) -> None:
    try:
        check_path_segment(value)
    except ValueError:
        return
    encoded = path_segment(value)
    assert encoded.isascii()
    assert not set("/?#\\ ") & set(encoded)
    assert encoded not in {".", ".."}
