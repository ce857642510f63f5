"""The requests of the API's bench, and those who send them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection

from bench.performance.orders import batches, payloads, reference
from willcall.devtools.local_deployment import WEBHOOK_TOKENS
from willcall.simulator.order_status import SimulatedStatus
from willcall.simulator.providers import REGISTRY
from willcall.simulator.providers.base import OrderSnapshot
from willcall.simulator.script import OrderScript, ProviderName, PushScript

#: Callers at once, each a thread with a connection that it keeps.
CONNECTIONS = 8
#: Size of the PDF in a webhook, bytes.
PDF = 50_000
#: Seconds until a call has failed.
TIMEOUT = 30.0

_JSON = {"Content-Type": "application/json"}
_REDIRECT = 300


@dataclass(frozen=True, slots=True)
class Call:
    """One POST."""

    path: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


def one_by_one(numbers: range, between: tuple[float, float]) -> list[Call]:
    """Each order in a call of its own; see `payloads`."""
    return [Call("/v1/orders", json.dumps(each).encode()) for each in payloads(numbers, between)]


def batched(numbers: range, between: tuple[float, float]) -> list[Call]:
    """A batch of orders in each call."""
    return [
        Call("/v1/orders:batch", json.dumps({"orders": some}).encode()) for some in batches(payloads(numbers, between))
    ]


def webhooks(provider: ProviderName, numbers: Iterable[int], script: PushScript) -> list[Call]:
    """A provider's own call about each order, as the simulator makes and signs it."""
    speaker = REGISTRY[provider]
    credentials = speaker.default_credentials("default")
    path = f"/webhooks/{provider}/default/{WEBHOOK_TOKENS[provider]}"
    calls = []
    for number in numbers:
        order = OrderScript(provider=provider, reference=reference(number))
        view = OrderSnapshot(order, SimulatedStatus.ISSUED, known_at=0, now=0, origin="", secrets=[f"{number:032x}"])
        push = speaker.push(view, script, credentials)
        calls.append(Call(path, push.body, push.headers))
    return calls


def send(port: int, calls: Sequence[Call], connections: int = CONNECTIONS) -> None:
    """Send all to this machine, each caller its share. Raises RuntimeError for an answer that is no success."""
    with ThreadPoolExecutor(connections) as callers:
        shares = [calls[first::connections] for first in range(connections)]
        for caller in [callers.submit(_send_share, port, share) for share in shares]:
            caller.result()


def _send_share(port: int, calls: Sequence[Call]) -> None:
    with closing(HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)) as connection:
        for call in calls:
            connection.request("POST", call.path, call.body, dict(call.headers))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status >= _REDIRECT:
                raise RuntimeError(f"{call.path.partition('/default/')[0]}: {answer.status} {text[:200]!r}")
