"""What a customer has to do before tickets come, as the provider says it."""

from datetime import UTC, datetime

from tests.integration.usecases.conftest import Setup
from willcall.orders.model import Status
from willcall.orders.serialization import order_to_json
from willcall.simulator.script import OrderScript


def test_an_order_says_until_when_its_customer_must_enter_names(make_system: Setup) -> None:
    h = make_system()
    script = {"provider": "paylogic", "reference": "ticket:abc", "needs_personalization_until": 600}
    h.submit(OrderScript.model_validate(script))
    assert order_to_json(h.order())["needs"] is None
    h.poll()
    needs = order_to_json(h.order())["needs"]
    assert needs.keys() == {"what", "until", "url", "detail", "form"}
    assert needs["what"] == "personalization"
    left = datetime.fromisoformat(needs["until"]) - datetime.fromtimestamp(h.context.stores.accounts.now(), UTC)
    assert 500 < left.total_seconds() <= 601
    h.let_time_pass_for_providers(601)
    assert h.poll().status is Status.FULFILLED
    assert order_to_json(h.order())["needs"] is None
