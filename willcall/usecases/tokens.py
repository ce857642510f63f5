"""Tokens for requests other than attempts: downloads from the provider itself, and lists."""

import time
from dataclasses import dataclass

from willcall.providers.base import Account
from willcall.stores.bookings import BookingKind
from willcall.usecases.context import Context


@dataclass(frozen=True, slots=True)
class Token:
    """Permission to send one request now. `claimed`: when it was claimed, monotonic seconds."""

    claimed: float


@dataclass(frozen=True, slots=True)
class NoToken:
    """No token yet. `wait`: seconds until the booked slot, or None while the account is stopped."""

    wait: float | None


def take_token(
    context: Context,
    account: Account,
    booker: BookingKind,
    booker_id: str,
    patience: float,
    *,
    express: bool = False,
    user_bound: bool = False,
) -> Token | NoToken:
    """Take a token, waiting for it up to `patience` seconds. Otherwise its slot stays booked, to be claimed again then.

    A 429 that only this process knows of counts too. `express`: somebody waits for the answer. `user_bound`: for a
    request with credentials of its own user.
    """
    until = time.monotonic() + patience
    while True:
        claimed = time.monotonic()
        reservation = context.stores.accounts.reserve_token(
            account.key, account.rate, booker, booker_id, express=express, user_bound=user_bound
        )
        if reservation.granted:
            time.sleep(reservation.wait)
            return NoToken(None) if context.throttles.blocks(account.bucket, claimed) else Token(claimed)
        if reservation.at is None:
            return NoToken(None)
        if time.monotonic() + reservation.wait > until:
            return NoToken(reservation.wait)
        time.sleep(reservation.wait)


def return_token(context: Context, account: Account, booker: BookingKind, booker_id: str) -> None:
    """Give up a booked slot that will not be used."""
    context.stores.accounts.return_slot(account.bucket, booker, booker_id)
