"""The simulator's state: accounts, what their credentials open, documents and the ledger."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from willcall.simulator.accounts import Account, Order
from willcall.simulator.ledger import Ledger
from willcall.simulator.providers.base import Scope
from willcall.simulator.push_script import PushScript
from willcall.simulator.pusher import Plan, Planned
from willcall.simulator.script import PROVIDERS, AccountChange, AccountScript, OrderScript, ProviderName, Script
from willcall.simulator.verdict import judge

Clock = Callable[[], float]


class ScriptError(ValueError):
    """Orders or accounts that do not fit together."""


@dataclass(slots=True)
class Grant:
    """What a credential opens, and until when (epoch; None: for good)."""

    account: Account
    scope: Scope
    expires_at: float | None = None


class World:
    """Everything the providers know; used from one thread. `clock` gives epoch seconds.

    Raises:
        ScriptError: where the script's orders do not fit its accounts.
    """

    def __init__(self, script: Script, *, clock: Clock = time.time, ledger: Path | None = None) -> None:
        self.clock = clock
        self.grace = script.grace
        self.push_minute = script.push_minute
        #: Where the simulator itself is reached; known once it listens.
        self.origin = ""
        #: The calls that the providers are going to make.
        self.plan = Plan()
        self.ledger = Ledger(ledger)
        #: Whose document has which unguessable name.
        self.documents: dict[str, Order] = {}
        self.accounts: dict[tuple[ProviderName, str], Account] = {}
        self._grants: dict[tuple[ProviderName, str], Grant] = {}
        described = {(account.provider, account.name): account for account in script.accounts}
        for provider in PROVIDERS:
            described.setdefault((provider, "default"), AccountScript(provider=provider))
        for account in described.values():
            self._add_account(Account(account, script.jitter))
        self.add_orders(script.orders)

    def add_orders(self, scripts: Iterable[OrderScript]) -> None:
        """Get to know orders, all or none.

        Raises:
            ScriptError: names every order whose account is unknown or whose reference is taken.
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
            self.push(account, order, account.provider.pushes(script) if script.pushes is None else script.pushes)

    def push(self, account: Account, order: Order, scripts: Iterable[PushScript]) -> None:
        """Plan calls about an order; their `after` counts from now."""
        for script in scripts:
            self.plan.add(self.clock() + script.after, Planned(account, order, script))

    def orders(self) -> Iterator[Order]:
        """Every scripted order."""
        return (order for account in self.accounts.values() for order in account.orders.values())

    def grant(self, provider: ProviderName, key: str | None) -> Grant | None:
        """What a credential opens or once opened; None where it was never valid."""
        return None if key is None else self._grants.get((provider, key))

    def issued(self) -> list[str]:
        """All that opens or is a ticket: references, names and barcodes, and the OAuth tokens given away."""
        now = self.clock()
        tokens = [key.rpartition(" ")[2] for (_, key), grant in self._grants.items() if grant.expires_at is not None]
        references = [order.script.reference for order in self.orders()]
        return tokens + references + [secret for order in self.orders() for secret in order.view(now, "").contents()]

    def issue_token(self, account: Account) -> str:
        """A new OAuth token of the account; it opens what servers may see."""
        token = secrets.token_urlsafe(24)
        expires_at = self.clock() + account.script.token_lifetime
        self._grants[account.script.provider, f"Bearer {token}"] = Grant(account, "admin", expires_at)
        return token

    def expire_tokens(self, account: Account) -> None:
        """Void every OAuth token of the account."""
        for grant in self._grants.values():
            if grant.account is account and grant.expires_at is not None:
                grant.expires_at = 0.0

    def change(self, account: Account, change: AccountChange) -> None:
        """Change an account at run time."""
        account.change(change)
        if change.expire_tokens:
            self.expire_tokens(account)

    def verdict(self) -> dict[str, Any]:
        """What the ledger says so far; see `simulator.verdict`."""
        return judge(self.ledger.entries, ((order.script, order.told) for order in self.orders()))

    def _add_account(self, account: Account) -> None:
        script = account.script
        self.accounts[script.provider, script.name] = account
        for key, scope in account.provider.keys(account.credentials).items():
            if (script.provider, key) in self._grants:
                raise ScriptError(f"two accounts of {script.provider} have the same credentials")
            self._grants[script.provider, key] = Grant(account, scope)
