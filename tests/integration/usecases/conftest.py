"""Use cases over a real Redis and real HTTP to the simulator; only the broker is a list of messages."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator_thread import SimulatorThread
from willcall.config import load
from willcall.devtools.callback_receiver import SECRET
from willcall.devtools.embedded_redis import EmbeddedRedis
from willcall.http.address_guard import AddressGuard
from willcall.http.outbound import OutboundClient
from willcall.orders.model import Order
from willcall.providers.transport import ProviderTransport
from willcall.runtime.meters import PrometheusMeters
from willcall.simulator.account_tables import account_tables, to_toml
from willcall.simulator.client import SimulatorClient
from willcall.simulator.script import AccountScript, OrderScript, Script
from willcall.stores import keys
from willcall.stores.connection import connect
from willcall.stores.dead_letters import DeadLetter
from willcall.stores.documents import DocumentStore
from willcall.stores.messages import PollMessage
from willcall.stores.registry import Stores
from willcall.usecases.context import Context
from willcall.usecases.poll_once import poll_once
from willcall.usecases.submit import submit

if TYPE_CHECKING:
    from redis import Redis

POLLING = {"initial": 0.5, "cap": 3, "minimum": 0, "interval": [200, 210], "ceiling": 600, "missing_grace": 0.001}

#: The secret part of the address that each provider calls.
WEBHOOK_TOKENS = {"tixstock": "wht-tixstock-5d1c-9e02", "tiqets": "wht-tiqets-77ab-4c31"}


@dataclass
class Outbox:
    """A broker that keeps what it is given."""

    messages: list[PollMessage] = field(default_factory=list)
    tasks: list[tuple[str, list[Any], float]] = field(default_factory=list)
    requeued: list[DeadLetter] = field(default_factory=list)

    def send_polls(self, account: str, messages: list[PollMessage], now: float) -> None:  # noqa: ARG002 - the port's shape
        self.messages += messages

    def send_task(self, name: str, args: Sequence[Any], countdown: float = 0.0) -> None:
        self.tasks.append((name, list(args), countdown))

    def start_sweep(self, name: str) -> None:
        self.tasks.append(("schedules.sweep", [name], 0.0))

    def requeue(self, letter: DeadLetter) -> None:
        self.requeued.append(letter)


@dataclass
class System:
    """The context of the use cases, a client of the simulator, and an outbox instead of a broker."""

    context: Context
    outbox: Outbox
    providers: SimulatorClient
    redis: "Redis"
    #: Seconds by which the providers' clock is ahead: what they do later they do when a test lets that time go by.
    ahead: list[float]

    def submit(self, script: OrderScript, **fields: Any) -> str:
        """Script an order and submit it: its id."""
        self.providers.add_orders([script])
        payload = {"provider": script.provider, "account": script.account, "reference": script.reference, **fields}
        return submit(self.context, {"id": "ord-1", "quantity": script.quantity, **payload}).order_id

    def poll(self, order_id: str = "ord-1") -> Order:
        """Run the attempt that the order's chain has next, as if its time had come."""
        order = self.order(order_id)
        self.redis.hset(keys.order(order_id), "due", 1)
        again = poll_once(self.context, order_id, order.seq, order.account_key).next_message
        if again:
            self.outbox.messages.append(again[0])
        return self.order(order_id)

    def let_time_pass_for_providers(self, seconds: float) -> None:
        self.ahead.append(seconds)

    def order(self, order_id: str = "ord-1") -> Order:
        order = self.context.stores.orders.get(order_id)
        assert order is not None
        return order

    def outcomes(self, order_id: str = "ord-1") -> list[str]:
        return [attempt.outcome for attempt in self.context.stores.orders.timeline(order_id)]

    def events(self) -> list[str]:
        return [event.type for event in self.context.stores.events.list_after(None, 100)]


Setup = Callable[..., System]


@pytest.fixture
def make_system(redis: "Redis", redis_server: EmbeddedRedis, tmp_path: Path) -> Iterator[Setup]:
    """Makes a system with all accounts of the simulator; arguments are tables laid over every account's.

    With `callbacks` the providers that call back may do so; with `server` it stands on that Redis. `scripts` are
    accounts at the providers; `own` is laid over their tables.
    """
    accounts = (AccountScript(provider="funtrips", name="headless"), AccountScript(provider="paylogic", name="user"))
    http, outbound = ProviderTransport(), OutboundClient(AddressGuard(["127.0.0.0/8"]))
    ahead: list[float] = []
    with ExitStack() as stack:

        def setup(
            *,
            callbacks: bool = False,
            server: EmbeddedRedis = redis_server,
            scripts: Sequence[AccountScript] = (),
            own: Mapping[str, Any] = MappingProxyType({}),
            **tables: Any,
        ) -> System:
            script = Script(accounts=(*accounts, *scripts))
            simulator = stack.enter_context(SimulatorThread(script, clock=lambda: time.time() + sum(ahead)))
            providers = {
                provider: {name: table | {"polling": POLLING} | tables for name, table in named.items()}
                for provider, named in account_tables(simulator.url).items()
            }
            for scripted in scripts:
                providers[scripted.provider][scripted.name] |= {**scripted.credentials, **own}
            notifying = {"notify": {"secret": SECRET}, "outbound": {"allow": ["127.0.0.0/8"]}}
            for provider, token in WEBHOOK_TOKENS.items() if callbacks else ():
                providers[provider]["default"]["webhook_token"] = [f"next-{token}", token]
            (tmp_path / "willcall.toml").write_text(to_toml({**notifying, "providers": providers}))
            config = load({}, tmp_path)
            outbox = Outbox()
            context = Context(
                settings=config.settings,
                accounts=config.accounts,
                stores=Stores.connect(server.url),
                http=http,
                outbound=outbound,
                documents=DocumentStore(connect(server.url), f"file://{tmp_path}/documents"),
                sender=outbox,
                rng=Random(1),
                meters=PrometheusMeters(config.accounts),
            )
            own = redis if server is redis_server else connect(server.url)
            return System(context, outbox, simulator.client, own, ahead)

        yield setup
    http.close()
    outbound.close()
