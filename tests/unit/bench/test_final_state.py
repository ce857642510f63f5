import pytest

from bench.chaos.final_state import is_push
from willcall.orders.model import Attempt


@pytest.mark.parametrize(
    ("line", "push"),
    [
        (Attempt(1.0, "issued", None, None, "order.eticket_fulfilment: 1 of 1 tickets"), True),
        (Attempt(1.0, "cancelled", None, None, "order.update: the provider says Cancelled"), True),
        (Attempt(1.0, "issued", 200, None, "all tickets"), False),
        (Attempt(1.0, "unavailable", None, 2.0, "no connection"), False),
    ],
)
def test_a_push_is_distinguished_from_an_attempt_in_the_timeline(line: Attempt, push: bool) -> None:  # noqa: FBT001
    assert is_push(line) is push
