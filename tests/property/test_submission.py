"""Any submission is rejected with reasons or can be stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from willcall.orders.errors import RejectedOrderError
from willcall.orders.submission import MAX_FIELD_ERRORS, SubmitOrder, parse_submission
from willcall.stores.submissions import submission_digest

#: Values that JSON can bring in, and Python's JSON besides.
TEXTS = st.text(st.characters(), max_size=20) | st.sampled_from(["\ud800", "1\x00", "x" * 100_000, "٣", "a\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**4_000) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from([*SubmitOrder.model_fields]) | TEXTS


@given(st.dictionaries(FIELDS, VALUES, max_size=8))
def test_a_submission_is_rejected_with_reasons_or_can_be_stored(fields: dict[str, object]) -> None:
    try:
        order = parse_submission({"provider": "tiqets", "reference": "1", **fields}).order()
    except RejectedOrderError as error:
        refused = error
    else:
        submission_digest(order)
        return
    assert all(len(problem.field) <= 100 for problem in refused.errors)
    assert len(str(refused)) < 5_000


def test_the_list_of_errors_is_bounded() -> None:
    numbers = {str(number): number for number in range(400)}
    for fields, first in (
        ({"metadata": numbers}, "metadata.0"),
        ({"metadata": numbers | {str(number): "" for number in range(400, 9_000)}}, "metadata"),
        (dict.fromkeys(map(str, range(80))), "0"),
        (dict.fromkeys(map(str, range(100_000))), ""),
    ):
        with pytest.raises(RejectedOrderError) as refused:
            parse_submission({"provider": "tiqets", "reference": "1", **fields})
        problems = refused.value.errors
        assert problems[0].field == first
        assert len(problems) <= MAX_FIELD_ERRORS + 1
