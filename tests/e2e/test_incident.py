"""An incident at night: a provider rejects our API key. What do operators see, and what is lost?"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.command import run
from tests.e2e.conftest import Setup, orders_of, submit_all, wait_for_the_end
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import SECRET, CallbackReceiver
from willcall.devtools.local_deployment import LocalDeployment
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript

pytestmark = pytest.mark.proof

#: Opens the board.
KEY = "operator-key-of-the-incident"
AUTHORIZED = {"Authorization": f"Bearer {KEY}"}
PROVIDERS = {"tiqets": "2{:06}", "tixstock": "TX{:06}", "funtrips": "chk_{:06}", "paylogic": "a7c6{:06}"}
#: What the board says on top while the key is rejected.
ALARM = "tiqets/default is rejecting our API key"
#: Orders at each provider, and the seconds after which their tickets are there.
ORDERS, READY = 8, 8.0


@pytest.fixture
def pager() -> Iterator[CallbackReceiver]:
    """Where operators are notified."""
    with CallbackReceiver() as started:
        yield started


class Operator:
    """An operator who checks board, doctor, metrics and alerts."""

    def __init__(self, system: LocalDeployment) -> None:
        self._system = system
        self._browser = requests.Session()
        headers = {"Origin": system.api_url}
        self._browser.post(f"{system.api_url}/login", data={"key": KEY}, headers=headers, timeout=10).raise_for_status()

    def board(self) -> str:
        answer = self._browser.get(f"{self._system.api_url}/", timeout=10)
        answer.raise_for_status()
        return answer.text

    def health(self, provider: str) -> list[str]:
        """What the metrics say of an account: the words that are true."""
        text = requests.get(f"{self._system.api_url}/metrics", headers=AUTHORIZED, timeout=10).text
        return [
            sample.labels["health"]
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "willcall_account_health" and sample.labels["provider"] == provider and sample.value
        ]

    def doctor(self) -> tuple[int, str]:
        """The exit code of `willcall doctor`, and what it says of the accounts."""
        done = run(self._system.folder, "doctor", "--json", around=self._system.environment)
        return done.code, next(each["message"] for each in done.document["findings"] if each["check"] == "accounts")


def test_a_revoked_key_is_reported_everywhere_within_a_minute_and_no_order_is_lost(
    deployment: Setup, pager: CallbackReceiver
) -> None:
    """Each place where it has to be seen is waited for a minute at most, however busy the machine."""
    notify = {"secret": SECRET, "ops_url": pager.url("/ops")}
    accounts: dict[str, dict[str, Any]] = {f"{provider}/default": {} for provider in PROVIDERS}
    system = deployment(accounts, notify=notify, api={"operator_keys": [KEY]}, metrics={"port": 0})
    for process in ("beat", "worker"):
        system.start(process)
    system.start_api()
    system.wait_for_api()
    system.wait_for_workers(1)
    operator = Operator(system)
    scripts = [
        OrderScript.model_validate({"provider": provider, "reference": form.format(n), "ready_after": READY})
        for provider, form in PROVIDERS.items()
        for n in range(ORDERS)
    ]
    expected = submit_all(system, scripts)
    wait_until(lambda: all(order.attempts for order in orders_of(system, expected)))

    system.providers.update_account("tiqets", revoked=True)
    wait_until(lambda: bool(pager.received))
    wait_until(lambda: operator.health("tiqets") == ["unauthorized"])
    wait_until(lambda: ALARM in operator.board())
    code, found = operator.doctor()
    assert (code, found.startswith(f"{ALARM} (HTTP 401), since ")) == (1, True)
    [told] = pager.received
    assert told.verified
    assert told.event["type"] == "account.unauthorized"
    assert (told.event["data"]["account"], told.event["data"]["why"]) == ("default", "401")
    assert told.event["data"]["orders_waiting"] == ORDERS
    assert operator.health("tixstock") == ["ok"]

    system.providers.update_account("tiqets", revoked=False)
    wait_for_the_end(system, expected)
    wait_until(lambda: len(pager.received) > 1)
    wait_until(lambda: operator.health("tiqets") == ["ok"])
    wait_until(lambda: ALARM not in operator.board())
    assert operator.doctor() == (0, f"{len(PROVIDERS)} accounts, all healthy")
    assert [message.event["type"] for message in pager.received] == ["account.unauthorized", "account.ok"]
    assert {order.status for order in orders_of(system, expected)} == {Status.FULFILLED}
    events = {event.type for event in system.context.stores.events.list_after(None, 1_000)}
    assert events == {"order.fulfilled", "order.attention"}
    verdict = system.providers.verdict()
    assert verdict["ok"], verdict["faults"]
