"""What lists, the board, the doctor and the API show of accounts."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from willcall.orders.model import OPEN, Status, count_open
from willcall.orders.troubles import ACCOUNT_TROUBLES, Trouble
from willcall.providers.base import Account
from willcall.schemas import accounts as schemas
from willcall.schemas.base import utc
from willcall.stores.accounts import AccountState
from willcall.stores.listing import AccountBacklog

if TYPE_CHECKING:
    from willcall.stores.registry import Stores


#: Seconds of a throttle that lists of orders do not mention.
_SHORT_WAIT = 5.0


@dataclass(frozen=True, slots=True)
class AccountView:
    """The state of an account, and the number of its orders by status."""

    account: Account
    state: AccountState
    backlog: AccountBacklog
    counts: Mapping[Status, int]

    @property
    def open_orders(self) -> int:
        """The number of orders that wait for tickets."""
        return count_open(self.counts)

    @property
    def held(self) -> bool:
        """Whether it has an order that can be sent as the next probe."""
        return self.backlog.held > 0 or any(self.counts.get(status, 0) for status in OPEN)


def view_account(stores: "Stores", account: Account, now: float) -> AccountView:
    """Return an account as it is now; `now` is the server's time, epoch seconds."""
    return AccountView(
        account,
        stores.accounts.state(account.key, account.rate),
        stores.listing.backlog(account.key, now),
        stores.listing.counts(account.key),
    )


def account_trouble(state: AccountState) -> Trouble:
    """Return what is wrong with an unhealthy account; with a pause, also what is underlying it."""
    trouble = ACCOUNT_TROUBLES[state.without_pause.health]
    return trouble.paused() if state.underlying else trouble


def stopped_accounts(
    stores: "Stores", configured: Mapping[str, Account], account_keys: Collection[str]
) -> dict[str, str]:
    """Return those of the accounts whose orders wait, each with its key in `ACCOUNT_TROUBLES`."""
    now, found = stores.accounts.now(), {}
    for key in set(account_keys):
        state = stores.accounts.state(key, configured[key].rate) if key in configured else None
        if state is None or waits_for_account(state, now):
            found[key] = state.health.value if state else "unconfigured"
    return found


def waits_for_account(state: AccountState, now: float) -> bool:
    """Return whether the orders of an account are not polled at their own times: it is stopped, or throttled."""
    return state.health.holds_orders or (state.hint_until or 0.0) > now + _SHORT_WAIT


def unconfigured_accounts(stores: "Stores", configured: Collection[str]) -> dict[str, int]:
    """Return the accounts that have open orders but no configuration, with the number of these orders."""
    found = {key: count_open(stores.listing.counts(key)) for key in stores.orders.accounts() if key not in configured}
    return {key: waiting for key, waiting in found.items() if waiting}


def refused_accounts(stores: "Stores", accounts: Mapping[str, Account]) -> set[str]:
    """Return the accounts whose provider rejects our API key, paused or not."""
    return {key for key, account in accounts.items() if stores.accounts.state(key, account.rate).rejects_key}


def account_schema(view: AccountView) -> schemas.Account:
    account, state, underlying = view.account, view.state, view.state.underlying
    return schemas.Account(
        account=account.key,
        health=state.health.value,
        why=state.why,
        since=utc(state.since),
        until=utc(state.until),
        underlying=schemas.UnderlyingHealth(
            health=underlying.health.value, why=underlying.why, since=utc(underlying.since)
        )
        if underlying
        else None,
        probe_at=utc(state.probe_at),
        tokens=state.tokens,
        rate=schemas.Rate(**asdict(account.rate)),
        throttles=state.throttles,
        backlog=schemas.Backlog(**asdict(view.backlog)),
        orders={status.value: count for status, count in view.counts.items()},
    )
