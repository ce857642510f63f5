"""Keys and secrets are rotated under load: nobody gets a 401, and no process is restarted."""

import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
import requests
from standardwebhooks import Webhook

from tests.actors import ANNA
from tests.e2e.conftest import Setup
from tests.e2e.test_reload import change, states
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import CallbackReceiver, is_signed
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript
from willcall.usecases.reload import reload_processes

KEYS = ("backend-key-of-today", "backend-key-of-tomorrow")
OPERATOR_KEY = "operator-key-of-today"
SECRETS = ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_plJ3nmyCDGBKInavdOK15jsl7uJ3nmyC")
PROVIDERS = ("tiqets", "funtrips", "tixstock")
TOKENS = {"tiqets": "tiqets-webhook-token", "tixstock": "tixstock-webhook-token"}


class Backend(CallbackReceiver):
    """Records which of the secrets signed each callback."""

    def __init__(self) -> None:
        super().__init__()
        self.signed_by: dict[str, set[str]] = {}
        self._secrets = {secret: Webhook(secret) for secret in SECRETS}

    @property
    def fulfilled(self) -> list[str]:
        """The orders that were fulfilled, once per event."""
        events = {message.id: message.event for message in list(self.received)}
        return [event["order_id"] for event in events.values() if event["type"] == "order.fulfilled"]

    def verify(self, body: bytes, headers: dict[str, str]) -> bool:
        valid = {secret for secret, webhook in self._secrets.items() if is_signed(webhook, body, headers)}
        self.signed_by[headers["webhook-id"]] = valid
        return bool(valid)


class Shop(threading.Thread):
    """A backend that submits orders and asks for them without a pause, with the key that it has now."""

    def __init__(self, system: LocalDeployment, callback_url: str) -> None:
        super().__init__(daemon=True)
        self.key = KEYS[0]
        self.submitted: list[str] = []
        self.failures: list[tuple[int, str]] = []
        self._system, self._callback_url = system, callback_url
        self._stopped = threading.Event()

    def run(self) -> None:
        with requests.Session() as session:
            for number in count():
                if self._stopped.wait(0.02):
                    return
                provider = PROVIDERS[number % len(PROVIDERS)]
                order = OrderScript(provider=provider, reference=str(1_000_000 + number), ready_after=0.5)
                self._system.providers.add_orders([order])
                body = {"id": f"ord-{number}", "provider": provider, "reference": order.reference}
                self._call(session, "POST", "/v1/orders", {**body, "callback_url": self._callback_url})
                self.submitted.append(f"ord-{number}")
                self._call(session, "GET", f"/v1/orders/ord-{number // 2}")
                self._call(session, "GET", "/v1/events?limit=1")

    def stop(self) -> None:
        self._stopped.set()
        self.join()

    def _call(self, session: requests.Session, method: str, path: str, body: Any = None) -> None:
        headers = {"Authorization": f"Bearer {self.key}"}
        answer = session.request(method, self._system.api_url + path, json=body, headers=headers, timeout=60)
        if answer.status_code >= 300:
            self.failures.append((answer.status_code, answer.text))


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as backend:
        yield backend


@contextmanager
def loaded(deployment: Setup, backend: Backend) -> Iterator[tuple[LocalDeployment, Shop]]:
    """A deployment with two workers, beat, API and Flower, under load; at the end every order must have ended once."""
    system = deployment(
        {
            "tiqets/default": {"webhook_token": TOKENS["tiqets"]},
            "tixstock/default": {"webhook_token": TOKENS["tixstock"]},
            "funtrips/default": {},
        },
        api={"keys": [KEYS[0]], "operator_keys": [OPERATOR_KEY]},
        notify={"secret": [SECRETS[0]]},
    )
    for provider, token in TOKENS.items():
        system.providers.update_account(provider, webhook_url=f"{system.api_url}/webhooks/{provider}/default/{token}")
    processes = [system.start("worker"), system.start("worker"), system.start("beat")]
    processes += [system.start_api(), system.start_flower()]
    system.wait_for_api()
    wait_until(lambda: len(system.context.stores.processes.running()) == len(processes))
    shop = Shop(system, backend.url())
    shop.start()
    try:
        yield system, shop
    finally:
        shop.stop()
    wait_until(lambda: set(shop.submitted) <= set(backend.fulfilled))
    assert set(Counter(backend.fulfilled).values()) == {1}
    assert all(message.verified for message in backend.received)
    assert shop.failures == []
    assert Counter(entry["auth"] for entry in system.providers.ledger()).keys() == {"ok"}
    assert {push["status"] for push in system.providers.pushes()} == {200}
    assert system.providers.verdict()["ok"]


def reload(system: LocalDeployment, edit: Callable[[dict[str, Any]], object], outcome: str = "taken") -> None:
    change(system, edit)
    answers = reload_processes(system.context.stores, ANNA)
    assert {answer.outcome for answer in answers} == {outcome}, answers


def wait_for_new_orders(shop: Shop, backend: Backend, number: int = 40) -> set[str]:
    """Wait until so many orders that are submitted from now on have ended; return them.

    By then, no thread works with an earlier configuration any more.
    """
    before = len(shop.submitted)

    def ended() -> set[str]:
        return set(backend.fulfilled) & set(shop.submitted[before:])

    wait_until(lambda: len(ended()) >= number)
    return ended()


def signers(backend: Backend, orders: set[str]) -> set[frozenset[str]]:
    messages = [message for message in backend.received if message.event["order_id"] in orders]
    return {frozenset(backend.signed_by[message.id]) for message in messages}


@pytest.mark.proof
def test_keys_and_secrets_are_rotated_without_a_401_or_a_restart(deployment: Setup, backend: Backend) -> None:
    with loaded(deployment, backend) as (system, shop):
        names = {process.name for process in system.context.stores.processes.running()}
        wait_for_new_orders(shop, backend)

        # The backend's key: a list with both, then the backend changes, then the new one alone.
        reload(system, lambda tables: tables["api"].update(keys=[*KEYS]))
        shop.key = KEYS[1]
        wait_for_new_orders(shop, backend)
        reload(system, lambda tables: tables["api"].update(keys=[KEYS[1]]))

        # The providers' keys: they accept both, then we change, then they accept the new one alone.
        system.providers.update_account("tiqets", add_credentials={"api_key": "tiqets-key-of-tomorrow"})
        system.providers.update_account("funtrips", add_credentials={"client_secret": "secret-of-tomorrow"})

        def use_new_keys(tables: dict[str, Any]) -> None:
            tables["providers"]["tiqets"]["default"]["api_key"] = "tiqets-key-of-tomorrow"
            tables["providers"]["funtrips"]["default"]["client_secret"] = "secret-of-tomorrow"

        reload(system, use_new_keys)
        wait_for_new_orders(shop, backend)
        system.providers.update_account("tiqets", revoke_earlier=True)
        system.providers.update_account("funtrips", revoke_earlier=True)
        assert signers(backend, wait_for_new_orders(shop, backend)) == {frozenset(SECRETS[:1])}

        # The webhook secret: both sign, then the backend changes, then the new one alone.
        reload(system, lambda tables: tables["notify"].update(secret=[*SECRETS]))
        assert signers(backend, wait_for_new_orders(shop, backend)) == {frozenset(SECRETS)}
        reload(system, lambda tables: tables["notify"].update(secret=[SECRETS[1]]))
        assert signers(backend, wait_for_new_orders(shop, backend)) == {frozenset(SECRETS[1:])}

        # A file with an error changes nothing.
        digests = {state.digest for state in states(system).values()}
        reload(system, lambda tables: tables.update(api={"keys": ["short"]}), "refused")
        wait_for_new_orders(shop, backend)
        assert {state.digest for state in states(system).values()} == digests

        assert {process.name for process in system.context.stores.processes.running()} == names
    assert set(Counter(backend.message_ids()).values()) == {1}, "no callback was repeated"
    logs = "".join(path.read_text() for path in system.folder.glob("*.log"))
    assert not any(secret in logs for secret in (*KEYS, *SECRETS, "tiqets-key-of-tomorrow", "secret-of-tomorrow"))


@pytest.mark.proof
def test_a_storm_of_reloads_and_a_kill_during_one_lose_nothing(deployment: Setup, backend: Backend) -> None:
    with loaded(deployment, backend) as (system, shop):
        running = system.context.stores.processes.running()
        pids = [int(process.name.split("-")[1].split("@")[0]) for process in running]
        wait_for_new_orders(shop, backend)
        for number in range(100):
            change(system, lambda tables: tables["notify"].update(throttled_after=300 + number))  # noqa: B023
            for pid in pids:
                os.kill(pid, signal.SIGHUP)
        wait_for_new_orders(shop, backend)
        killed = next(process for process in running if process.kind == "worker")
        change(system, lambda tables: tables["notify"].update(throttled_after=600))
        pid = int(killed.name.split("-")[1].split("@")[0])
        os.kill(pid, signal.SIGHUP)
        os.kill(pid, signal.SIGKILL)
        system.start("worker")
        system.context.stores.processes.remove("worker", killed.name)  # as 20 s without a heartbeat do
        wait_for_new_orders(shop, backend)
        answers = reload_processes(system.context.stores, ANNA)
        assert {answer.outcome for answer in answers} == {"taken"}
        assert len({state.digest for state in states(system).values()}) == 1
