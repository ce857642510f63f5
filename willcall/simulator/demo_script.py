"""The script of `willcall demo`: all five providers, every kind of reference and of fault.

Durations suit a client whose countdowns are 0.5 s to 3 s, and which finishes within some 40 s. Orders that `expect`
"expired" never get a final status; the client needs a short deadline for them.
"""

from random import Random
from typing import Any

from willcall.simulator.providers.paylogic import EVENT
from willcall.simulator.script import AccountScript, OrderScript, ProviderName, RateScript, Script

#: Requests per second, and at once. The accounts `headless` and `user` have a user's own credentials.
RATES: dict[tuple[ProviderName, str], int] = {
    ("funtrips", "default"): 20,
    ("funtrips", "headless"): 10,
    ("tiqets", "default"): 10,
    ("tixstock", "default"): 5,
    ("voordemensen", "default"): 10,
    ("paylogic", "default"): 10,
    ("paylogic", "user"): 5,
}

#: Seconds by which a busy machine may delay one request more than another.
JITTER = 0.1


def demo_script(*, seed: int = 1) -> Script:
    """Return the accounts and orders. The same seed gives the same script."""
    random = Random(seed)
    accounts = [
        AccountScript(provider=provider, name=name, rate=RateScript(limit=limit, burst=limit))
        for (provider, name), limit in RATES.items()
    ]
    orders = [*_funtrips(random), *_tiqets(random), *_tixstock(random), *_voordemensen(), *_paylogic(random)]
    return Script(accounts=tuple(accounts), orders=tuple(orders), jitter=JITTER)


def _order(provider: ProviderName, reference: str, **fields: Any) -> OrderScript:
    """Return an order; the fields are those of an `OrderScript`."""
    return OrderScript.model_validate({"provider": provider, "reference": reference, **fields})


def _status(status: int, retry_after: int | None = None, form: str = "seconds") -> dict[str, Any]:
    """Return a fault: an error status, once."""
    return {"do": "status", "status": status, "retry_after": retry_after, "form": form}


def _soon(random: Random, longest: float = 9.0) -> float:
    """Return the seconds until an ordinary order is ready."""
    return round(random.uniform(0.0, longest), 1)


def _funtrips(random: Random) -> list[OrderScript]:
    """202s with both forms of `Retry-After`, users with several orders, sessions, and a token that expires."""

    def order(name: str, **fields: Any) -> OrderScript:
        return _order("funtrips", f"chk-{name}", **fields)

    brief = {"retry_after": 1}
    return [
        *(order(f"{n:02}", ready_after=_soon(random), pending_hint=brief, quantity=1 + n % 3) for n in range(8)),
        order("hint-seconds", ready_after=6, pending_hint={"retry_after": 3}),
        order("hint-date", ready_after=6, pending_hint={"retry_after": 3, "form": "date"}),
        order("hint-none", ready_after=4, pending_hint={"retry_after": None}),
        order("throttled", ready_after=2, answers=[_status(429, 2)], pending_hint=brief),
        order("unavailable", answers=[_status(503, 2, "date")]),
        order("missing-first", answers=[_status(404), _status(404)]),
        order("token-dies", answers=[{"do": "token_expired"}]),
        order("conflict", ready_after=3, answers=[_status(409, 2)], pending_hint=brief),
        order("cancelled-late", cancel_after=8),
        order("never", ends="never", pending_hint={"retry_after": 2}),
        _order("funtrips", "user:fan-1", ready_after=5, quantity=2, pending_hint=brief),
        _order("funtrips", "user:fan-2", ready_after=1, pending_hint=brief),
        _order("funtrips", "me", account="headless", ready_after=3, pending_hint=brief),
        order("headless", account="headless", ready_after=2, pending_hint=brief),
    ]


def _tiqets(random: Random) -> list[OrderScript]:
    """Status words in the body; a hang, broken connections and unusable bodies."""

    def order(number: int, **fields: Any) -> OrderScript:
        return _order("tiqets", str(1_111_111 + number), **fields)

    return [
        *(order(n, ready_after=_soon(random), quantity=1 + n % 4) for n in range(8)),
        order(8, ready_after=12),
        order(9, ready_after=3, ends="failed"),
        order(10, ready_after=2, ends="cancelled"),
        order(11, answers=[_status(429, 2)]),
        order(12, answers=[_status(503, 2)]),
        order(13, answers=[{"do": "hang", "seconds": 2}]),
        order(14, answers=[{"do": "reset"}]),
        order(15, answers=[{"do": "malformed"}]),
        order(16, answers=[{"do": "truncated_json"}, {"do": "empty"}]),
        order(17, answers=[{"do": "malformed", "times": None}]),
        order(18, ends="never"),
        order(19, ready_after=2, answers=[{"do": "unknown_word"}]),
        order(20, answers=[{"do": "wrong_types"}]),
    ]


def _tixstock(random: Random) -> list[OrderScript]:
    """Items that get their files one by one."""

    def order(name: str, **fields: Any) -> OrderScript:
        return _order("tixstock", f"tix-{name}", **fields)

    return [
        *(order(str(n), ready_after=_soon(random), quantity=1 + n % 2) for n in range(4)),
        order("partial-2", partial_after=2, ready_after=6, quantity=2),
        order("partial-5", partial_after=1, ready_after=10, quantity=5),
        order("rejected", ready_after=3, ends="failed"),
        order("cancelled", ready_after=4, ends="cancelled"),
        order("throttled", answers=[_status(429, 2, "date")]),
        order("cut", answers=[{"do": "cut"}]),
        order("never", ends="never"),
    ]


def _voordemensen() -> list[OrderScript]:
    """Polled every 10 s at most, so ready at the first or second request. One more comes from a checkout."""

    def order(name: str, **fields: Any) -> OrderScript:
        return _order("voordemensen", f"Vdm{name}-QmBxG-9WhAj", **fields)

    return [
        *(order(f"first{n}", quantity=1 + n) for n in range(3)),
        *(order(f"second{n}", ready_after=5 + n) for n in range(2)),
        order("split", partial_after=0, ready_after=6),
        order("cancelled", ready_after=4, ends="cancelled"),
        order("unavailable", answers=[_status(503)]),
    ]


def _paylogic(random: Random) -> list[OrderScript]:
    """Links that appear with the tickets, announced dates, a combo, and all references of tickets."""

    def order(name: str, **fields: Any) -> OrderScript:
        return _order("paylogic", f"a7c6{name}", **fields)

    return [
        *(order(f"{n:04}", ready_after=_soon(random), quantity=1 + n % 3) for n in range(3)),
        order("linked", ready_after=3, quantity=2, linked=True),
        order("combo", ready_after=2, quantity=3, combo=True),
        order("starts", fulfillment_starts_after=6, quantity=2),
        order("personal", needs_personalization_until=5),
        order("partial", partial_after=1, ready_after=5, quantity=2),
        order("cancelled", ready_after=3, ends="cancelled"),
        order("late", cancel_after=7),
        order("throttled", answers=[_status(429, 2)]),
        _order("paylogic", "ticket:9084203464", ready_after=2),
        _order("paylogic", "ticket:9084203465", fulfillment_starts_after=4),
        _order("paylogic", f"code:8663092874786@{EVENT}", ready_after=3),
        _order("paylogic", "mine", account="user", ready_after=4, quantity=2),
    ]
