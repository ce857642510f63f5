"""Eleven faults, one after another, on a running installation: board, doctor and metrics name each, and agree.

`-s` prints how many seconds each place took.
"""

import hashlib
import hmac
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from tests.actors import ANNA
from tests.command import run
from tests.e2e.conftest import Setup, submit_all
from tests.waiting import wait_until
from willcall.devtools.callback_receiver import SECRET, CallbackReceiver
from willcall.devtools.local_deployment import ChildProcess, LocalDeployment, webhook_token
from willcall.simulator.script import OrderScript
from willcall.usecases.accounts import pause, resume

pytestmark = pytest.mark.proof

KEY = "operator-key-of-the-drill"
NEVER = 3_600.0


@dataclass
class Installation:
    """A running installation, and an operator in front of it."""

    system: LocalDeployment
    backend: CallbackReceiver
    workers: list[ChildProcess] = field(default_factory=list)
    beat: ChildProcess | None = None
    browser: requests.Session = field(default_factory=requests.Session)
    references: Iterator[int] = field(default_factory=lambda: count(1_000_000))

    def submit(self, **script: Any) -> None:
        number = next(self.references)
        order = OrderScript.model_validate({"provider": "tiqets", "reference": str(number), **script})
        submit_all(self.system, [order], prefix=f"drill-{number}", callback_url=self.backend.url())

    def start_worker(self) -> None:
        self.workers.append(self.system.start("worker"))

    def board(self) -> str:
        answer = self.browser.get(f"{self.system.api_url}/", timeout=30)
        return f"{answer.status_code} {answer.text}"

    def doctor(self) -> dict[str, Any]:
        found: dict[str, Any] = run(self.system.folder, "doctor", "--json", around=self.system.environment).document
        return found

    def metrics(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of all samples that are not 0, by the name of the metric."""
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = requests.get(f"{self.system.api_url}/metrics", headers=headers, timeout=30)
        found: dict[str, list[dict[str, str]]] = {"status": [{"http": str(answer.status_code)}]}
        for family in text_string_to_metric_families(answer.text) if answer.ok else ():
            for sample in family.samples:
                if sample.value:
                    found.setdefault(sample.name, []).append(sample.labels)
        return found

    def push(self, key: str) -> int:
        """Call the webhook of Tixstock's account, signed with a key."""
        body = json.dumps({"data": {"order_id": "o-1", "id": "1"}, "meta": {"type": "order.update"}}).encode()
        signature = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
        url = f"{self.system.api_url}/webhooks/tixstock/default/{webhook_token('tixstock/default')}"
        return requests.post(url, body, headers={"X-Tixstock-Signature": signature}, timeout=30).status_code


@pytest.fixture
def installation(deployment: Setup) -> Iterator[Installation]:
    with CallbackReceiver() as backend:
        system = deployment(
            {"tiqets/default": {}, "tixstock/default": {"webhook_token": webhook_token("tixstock/default")}},
            notify={"secret": SECRET},
            api={"operator_keys": [KEY]},
            metrics={"port": 0},
        )
        made = Installation(system, backend)
        made.beat = system.start("beat")
        for _ in range(2):
            made.start_worker()
        system.start_api()
        system.wait_for_api()
        system.wait_for_workers(2)
        made.browser.post(f"{system.api_url}/login", data={"key": KEY}, headers={"Origin": system.api_url}, timeout=30)
        made.submit(ready_after=NEVER)
        yield made


@dataclass(frozen=True)
class Fault:
    """What goes wrong, and what each place has to say about it."""

    name: str
    cause: Callable[[Installation], object]
    repair: Callable[[Installation], object]
    board: str
    check: str
    doctor: str
    metric: str
    labels: dict[str, str]


def tiqets(h: Installation, **changes: Any) -> None:
    h.system.providers.update_account("tiqets", **changes)


def throttle(h: Installation) -> None:
    h.submit(answers=[{"do": "status", "status": 429, "retry_after": 1_800, "times": 1}])


def kill_all_workers(h: Installation) -> None:
    for worker in h.workers:
        h.system.kill(worker)
    h.workers.clear()


def start_workers(h: Installation) -> None:
    for _ in range(2 - len(h.workers)):
        h.start_worker()
    h.system.wait_for_workers(2)


def kill_beat(h: Installation) -> None:
    assert h.beat
    h.system.kill(h.beat)


def start_beat(h: Installation) -> None:
    h.beat = h.system.start("beat")


def refuse_callbacks(h: Installation) -> None:
    h.backend.script(*[401] * 20)
    h.submit()


def accept_callbacks(h: Installation) -> None:
    h.backend.script()
    run(h.system.folder, "redeliver", "--undelivered", "--since", "1h", around=h.system.environment)


def limit_files(h: Installation, room: int) -> None:
    """Limit the size of the workers' files: to write more fails in the kernel, as on a full disk."""
    for worker in h.workers:
        _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (room, hard))


def fill_the_disk(h: Installation) -> None:
    limit_files(h, 0)
    h.submit()


def account(h: Installation) -> Any:
    return h.system.context.accounts["tiqets/default"]


KEYED = {"provider": "tiqets", "account": "default"}
FAULTS = (
    Fault(
        "a revoked key",
        lambda h: tiqets(h, revoked=True),
        lambda h: tiqets(h, revoked=False),
        "tiqets/default is rejecting our API key",
        "accounts",
        "tiqets/default is rejecting our API key (HTTP 401)",
        "willcall_account_health",
        {**KEYED, "health": "unauthorized"},
    ),
    Fault(
        "an outage",
        lambda h: tiqets(h, down="503"),
        lambda h: tiqets(h, down=None),
        "tiqets/default is failing",
        "accounts",
        "tiqets/default is failing (HTTP 503)",
        "willcall_account_health",
        {**KEYED, "health": "down"},
    ),
    Fault(
        "a throttle",
        throttle,
        lambda h: resume(h.system.context, account(h), ANNA, override=True),
        "tiqets/default is rate-limiting us",
        "accounts",
        "tiqets/default is rate-limiting us",
        "willcall_account_health",
        {**KEYED, "health": "throttled"},
    ),
    Fault(
        "a forgotten pause",
        lambda h: pause(h.system.context, account(h), None, ANNA),
        lambda h: resume(h.system.context, account(h), ANNA),
        "tiqets/default is paused",
        "accounts",
        "tiqets/default is paused",
        "willcall_account_health",
        {**KEYED, "health": "paused"},
    ),
    Fault(
        "a worker that was killed",
        lambda h: h.system.kill(h.workers.pop()),
        start_workers,
        "A worker has disappeared",
        "workers",
        "has sent no heartbeat for",
        "willcall_processes_lost",
        {"kind": "worker"},
    ),
    Fault(
        "all workers killed",
        kill_all_workers,
        start_workers,
        "No workers are running",
        "workers",
        "no worker is running",
        "willcall_processes_lost",
        {"kind": "worker"},
    ),
    Fault(
        "beat killed",
        kill_beat,
        start_beat,
        "Beat is not running",
        "beat",
        "beat is not running",
        "willcall_processes_lost",
        {"kind": "beat"},
    ),
    Fault(
        "a backend that answers 401",
        refuse_callbacks,
        accept_callbacks,
        "Callbacks are refused by 127.0.0.1",
        "callbacks",
        "(HTTP 401): 1 order",
        "willcall_callbacks_refused",
        {"http_status": "401"},
    ),
    Fault(
        "webhooks with a wrong signature",
        lambda h: h.push("another key"),
        lambda h: h.push(h.system.context.accounts["tixstock/default"].credentials.bearer_token[0].get_secret_value()),  # type: ignore[attr-defined]
        "tixstock/default sends webhooks that are rejected",
        "accounts",
        "tixstock/default sends webhooks that are rejected (wrong signature): 1 webhook",
        "willcall_webhooks_rejected_total",
        {"provider": "tixstock", "account": "default", "reason": "signature"},
    ),
    Fault(
        "a full document store",
        fill_the_disk,
        lambda h: limit_files(h, resource.RLIM_INFINITY),
        "The document store is full",
        "documents",
        "the document store has been full for",
        "willcall_document_store_full",
        {},
    ),
    Fault(
        "Redis killed",
        lambda h: h.system.redis.kill(),
        lambda h: h.system.redis.start(),
        "Redis is not responding",
        "redis",
        "cannot connect to",
        "status",
        {"http": "503"},
    ),
)


def test_each_fault_is_named_everywhere_and_gone_after_its_repair(installation: Installation) -> None:
    for fault in FAULTS:
        wait_until(lambda: "All healthy" in installation.board())
        drill(installation, fault)


def drill(h: Installation, fault: Fault) -> None:
    """Cause a fault, wait until each place names it, and repair it."""
    took, started = dict[str, float](), time.monotonic()

    def seen(place: str, found: Callable[[], object]) -> None:
        wait_until(found)
        took[place] = time.monotonic() - started

    def in_doctor() -> bool:
        found = [each for each in h.doctor()["findings"] if each["check"] == fault.check]
        return any(fault.doctor in each["message"] and each["fix"] for each in found)

    fault.cause(h)
    seen("board", lambda: fault.board in h.board())
    seen("metric", lambda: fault.labels in h.metrics().get(fault.metric, []))
    seen("doctor", in_doctor)
    print(f"{fault.name}: {', '.join(f'{place} {seconds:.1f} s' for place, seconds in took.items())}")  # noqa: T201 - asked for by -s
    problems = [each for each in h.doctor()["findings"] if each["level"] in {"error", "warning"}]
    assert {each["check"] for each in problems} <= {fault.check, "redis", "broker"}, (fault.name, problems)
    fault.repair(h)
    wait_until(lambda: fault.board not in h.board() and h.board().startswith("200"))
