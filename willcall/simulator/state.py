"""The simulator's state: accounts, valid credentials, documents, scheduled pushes and the ledger."""

import heapq
import itertools
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from willcall.simulator.accounts import RateMeter, SimulatedAccount, SimulatedOrder
from willcall.simulator.ledger import Ledger
from willcall.simulator.providers.base import Scope
from willcall.simulator.script import (
    PROVIDERS,
    AccountScript,
    AccountUpdate,
    OrderScript,
    ProviderName,
    PushScript,
    Script,
)
from willcall.simulator.verdict import judge

Clock = Callable[[], float]


class ScriptError(ValueError):
    """Orders or accounts that contradict each other."""


@dataclass(slots=True)
class IssuedCredential:
    """The account and scope that a credential gives access to, until `expires_at` (epoch; None: for good)."""

    account: SimulatedAccount
    scope: Scope
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class ScheduledPush:
    """A push to send; `attempt` counts from 1."""

    account: SimulatedAccount
    order: SimulatedOrder
    script: PushScript
    attempt: int = 1


class PushQueue:
    """Pushes by the time at which they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ScheduledPush]] = []
        self._numbers = itertools.count()

    def add(self, at: float, push: ScheduledPush) -> None:
        """Schedule a push for `at` (epoch)."""
        heapq.heappush(self._heap, (at, next(self._numbers), push))

    def pop_due(self, now: float) -> Iterator[ScheduledPush]:
        """Remove and yield the due pushes, the earliest first."""
        while self._heap and self._heap[0][0] <= now:
            yield heapq.heappop(self._heap)[2]


class SimulatorState:
    """Everything that the providers know; used from one thread. `clock` returns epoch seconds.

    Raises:
        ScriptError: if the script's orders do not fit its accounts.
    """

    def __init__(self, script: Script, *, clock: Clock = time.time, ledger: Path | None = None) -> None:
        self.clock = clock
        self.grace = script.grace
        self.push_minute = script.push_minute
        #: `http://host:port` of the simulator; empty until it listens.
        self.origin = ""
        self.push_queue = PushQueue()
        self.ledger = Ledger(ledger)
        #: Orders by the unguessable names of their documents.
        self.documents: dict[str, SimulatedOrder] = {}
        self.accounts: dict[tuple[ProviderName, str], SimulatedAccount] = {}
        self._credentials: dict[tuple[ProviderName, str], IssuedCredential] = {}
        described = {(account.provider, account.name): account for account in script.accounts}
        for provider in PROVIDERS:
            described.setdefault((provider, "default"), AccountScript(provider=provider))
        for account in described.values():
            self._add_account(SimulatedAccount(account, script.jitter))
        shared: dict[str, RateMeter] = {}
        for one in self.accounts.values():
            if one.rate_meter and one.script.rate and one.script.rate.shared:
                one.rate_meter = shared.setdefault(one.script.rate.shared, one.rate_meter)
        self.add_orders(script.orders)

    def add_orders(self, scripts: Iterable[OrderScript]) -> None:
        """Add all of the orders or none.

        Raises:
            ScriptError: names every order whose account is unknown or whose reference exists already.
        """
        new: dict[tuple[ProviderName, str, str], OrderScript] = {}
        mistakes = []
        for script in scripts:
            account = self.accounts.get((script.provider, script.account))
            key = (script.provider, script.account, script.reference)
            if account is None:
                mistakes.append(f"{script.provider} has no account {script.account}")
            elif key in new or script.reference in account.orders:
                mistakes.append(f"{script.provider}/{script.account} has {script.reference} twice")
            new[key] = script
        if mistakes:
            raise ScriptError("; ".join(mistakes))
        now = self.clock()
        for (provider, name, _), script in new.items():
            account = self.accounts[provider, name]
            order = account.add(script, now)
            self.documents.update(dict.fromkeys(order.secrets, order))
            pushes = account.provider.pushes(script) if script.pushes is None else script.pushes
            self.schedule_pushes(account, order, pushes)

    def set_orders(self, scripts: Sequence[OrderScript]) -> None:
        """Add orders, each in place of the one with its reference. Raises ScriptError for an unknown account."""
        for script in scripts:
            if account := self.accounts.get((script.provider, script.account)):
                account.remove(script.reference)
        self.add_orders(scripts)

    def schedule_pushes(self, account: SimulatedAccount, order: SimulatedOrder, scripts: Iterable[PushScript]) -> None:
        """Schedule pushes about an order; their `after` counts from now."""
        for script in scripts:
            self.push_queue.add(self.clock() + script.after, ScheduledPush(account, order, script))

    def orders(self) -> Iterator[SimulatedOrder]:
        return (order for account in self.accounts.values() for order in account.orders.values())

    def find_credential(self, provider: ProviderName, key: str | None) -> IssuedCredential | None:
        """Return a credential that is or was valid; `None` for one that never was."""
        return None if key is None else self._credentials.get((provider, key))

    def issued_secrets(self) -> list[str]:
        """Return everything that gives access to tickets: references, document names, barcodes, OAuth tokens."""
        now = self.clock()
        tokens = [
            key.rpartition(" ")[2]
            for (_, key), credential in self._credentials.items()
            if credential.expires_at is not None
        ]
        references = [order.script.reference for order in self.orders()]
        return (
            tokens + references + [secret for order in self.orders() for secret in order.snapshot(now, "").contents()]
        )

    def issue_token(self, account: SimulatedAccount) -> str:
        """Return a new OAuth token of the account, with a server's scope."""
        token = secrets.token_urlsafe(24)
        expires_at = self.clock() + account.script.token_lifetime
        self._credentials[account.script.provider, f"Bearer {token}"] = IssuedCredential(account, "admin", expires_at)
        return token

    def expire_tokens(self, account: SimulatedAccount) -> None:
        """Expire every OAuth token of the account."""
        for credential in self._credentials.values():
            if credential.account is account and credential.expires_at is not None:
                credential.expires_at = 0.0

    def update_account(self, account: SimulatedAccount, update: AccountUpdate) -> None:
        account.update(update)
        if update.expire_tokens:
            self.expire_tokens(account)
        if update.add_credentials:
            account.credentials = account.credentials | update.add_credentials
            self._add_credentials(account)
        if update.revoke_earlier:
            latest = account.provider.keys(account.credentials)
            for (_, key), credential in self._credentials.items():
                if credential.account is account and credential.expires_at is None and key not in latest:
                    credential.expires_at = 0.0

    def verdict(self) -> dict[str, Any]:
        """Return the verdict so far; see `simulator.verdict`."""
        return judge(self.ledger.entries, ((order.script, order.reported) for order in self.orders()))

    def _add_account(self, account: SimulatedAccount) -> None:
        self.accounts[account.script.provider, account.script.name] = account
        self._add_credentials(account)

    def _add_credentials(self, account: SimulatedAccount) -> None:
        provider = account.script.provider
        for key, scope in account.provider.keys(account.credentials).items():
            known = self._credentials.setdefault((provider, key), IssuedCredential(account, scope))
            if known.account is not account:
                raise ScriptError(f"two accounts of {provider} have the same credentials")
