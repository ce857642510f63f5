"""Seeded orders of all providers and kinds of references, with every fault that a provider can have."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, get_args

from willcall.simulator.documents import FORMS_WITHOUT_TICKET, FileForm
from willcall.simulator.providers.paylogic import EVENT, SINGLE
from willcall.simulator.script import (
    CAN_FAIL,
    PROVIDERS,
    AccountScript,
    Encoding,
    HintForm,
    OrderScript,
    ProviderName,
    RateScript,
)

#: Seconds within which an order is ready. Hints are shorter than the shortest lease, 8 s.
READY = 20.0
#: Orders for which `RATES` are made; they shrink with fewer orders, so that waves always meet them.
FULL_SIZE = 2_000
#: Requests per second, and at once.
RATES: dict[tuple[ProviderName, str], int] = {
    ("funtrips", "default"): 40,
    ("funtrips", "headless"): 15,
    ("tiqets", "default"): 40,
    ("tixstock", "default"): 25,
    ("voordemensen", "default"): 20,
    ("paylogic", "default"): 30,
    ("paylogic", "user"): 5,
}
WEIGHTS: Mapping[ProviderName, int] = {"funtrips": 28, "tiqets": 28, "tixstock": 16, "voordemensen": 8, "paylogic": 20}
#: References whose orders always end well: single tickets, and a user's list, which may hold other orders.
_ALWAYS_GOOD = (*SINGLE, "user:")
#: The first responses of a slow provider: its orders must not delay those of others.
_SLOW: list[dict[str, Any]] = [{"do": "hang", "seconds": 2.0}] * 2
#: Files that hold a ticket, in every form.
_FORMS: list[FileForm] = sorted(set(get_args(FileForm)) - FORMS_WITHOUT_TICKET)
#: Bodies that do not match their headers.
_PACKINGS: list[dict[str, Any]] = [
    {"content_encoding": "UTF-8"},
    {"content_encoding": "gzip"},
    {"codings": ["gzip_members"], "content_encoding": "gzip"},
    {"codings": ["gzip_padded"]},
    {"codings": ["deflate"], "content_encoding": "deflate"},
    {"charset": "latin-1"},
    {"charset": "utf-16", "content_type": "application/json; charset=utf-8"},
]
#: Providers that can show half of an order.
PARTIAL_PROVIDERS = ("tixstock", "paylogic", "voordemensen")


def rates(count: int) -> dict[tuple[ProviderName, str], RateScript]:
    """Return the rate of each account in a run of `count` orders."""
    limits = {key: max(3, round(limit * min(1.0, count / FULL_SIZE))) for key, limit in RATES.items()}
    return {key: RateScript(limit=limit, burst=limit) for key, limit in limits.items()}


def accounts(count: int) -> tuple[AccountScript, ...]:
    """Return the accounts with these rates, one of them with an unusual token endpoint."""
    scripts = {key: {"provider": key[0], "name": key[1], "rate": rate} for key, rate in rates(count).items()}
    scripts["funtrips", "default"] |= {"token_auth": "body", "token_status": 201, "token_lifetime_form": "text"}
    return tuple(map(AccountScript.model_validate, scripts.values()))


def orders(seed: int, count: int) -> list[OrderScript]:
    """Return `count` orders, the same for the same seed."""
    random = Random(seed)
    own = [
        _order("funtrips", "me", account="headless", ready_after=3),
        _order("paylogic", "mine", account="user", ready_after=4, quantity=2),
    ]
    providers = random.choices(PROVIDERS, [WEIGHTS[provider] for provider in PROVIDERS], k=count - len(own))
    mixed = own + [_any_order(random, provider, number) for number, provider in enumerate(providers)]
    random.shuffle(mixed)
    return mixed


def _order(provider: ProviderName, reference: str, **fields: Any) -> OrderScript:
    return OrderScript.model_validate({"provider": provider, "reference": reference, **fields})


def _any_order(random: Random, provider: ProviderName, number: int) -> OrderScript:
    fields = _reference(random, provider, number) | {"quantity": random.randint(1, 3)}
    if fields["reference"].startswith(_ALWAYS_GOOD):
        fields |= {"quantity": 1} | _plain(random, provider)
    else:
        fields |= random.choices(_ENDINGS, _ENDING_WEIGHTS)[0](random, provider)
    if random.random() < 0.35:
        fields["answers"] = _provider_faults(random, provider)
    if provider == "voordemensen":
        fields["answers"] = [*_SLOW, *fields.get("answers", [])]
    if random.random() < 0.4:
        fields |= _document(random)
    if random.random() < 0.2:
        fields |= _unusual_tickets(provider, fields)
    if provider == "funtrips":
        hint = {"retry_after": random.choice([None, 1, 2, 4]), "form": random.choice(["seconds", "date"])}
        fields["pending_hint"] = hint
    return OrderScript.model_validate({"provider": provider, **fields})


def _reference(random: Random, provider: ProviderName, number: int) -> dict[str, Any]:
    """Return a reference of a random kind, unique by `number`."""
    kinds: dict[ProviderName, list[dict[str, Any]]] = {
        "funtrips": [
            {"reference": f"chk-{number}"},
            {"reference": f"user:fan-{number}"},
            {"reference": f"chk-{number}", "account": "headless"},
        ],
        "tiqets": [{"reference": str(1_000_000 + number)}],
        "tixstock": [{"reference": f"tix-{number}"}],
        "voordemensen": [{"reference": f"Vdm{number}-QmBxG-9WhAj"}],
        "paylogic": [
            {"reference": f"a7c6{number:08}"},
            {"reference": f"ticket:{9_000_000_000 + number}"},
            {"reference": f"code:{8_663_000_000_000 + number}@{EVENT}"},
        ],
    }
    return random.choice(kinds[provider])


def _unusual_tickets(provider: ProviderName, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings for tickets that are listed twice, have no seats, or are void."""
    if provider == "tixstock":
        return {"placeholder_seats": True}
    if provider == "funtrips":
        return {"listed_times": 2}
    if provider == "paylogic" and fields["quantity"] > 1:
        return {"listed_times": 2, "transferred": 1}
    return {}


def _plain(random: Random, _: ProviderName) -> dict[str, Any]:
    return {"ready_after": round(random.uniform(0, READY) * random.random(), 1)}


def _halves(random: Random, provider: ProviderName) -> dict[str, Any]:
    if provider not in PARTIAL_PROVIDERS:
        return _plain(random, provider)
    partial, ready = random.uniform(0, 6), random.uniform(8, READY)
    return {"partial_after": round(partial, 1), "ready_after": round(ready, 1), "quantity": 2}


def _declined(random: Random, provider: ProviderName) -> dict[str, Any]:
    ends = "failed" if provider in CAN_FAIL and random.random() < 0.5 else "cancelled"
    return {"ready_after": round(random.uniform(0, READY), 1), "ends": ends}


def _never(_: Random, __: ProviderName) -> dict[str, Any]:
    return {"ends": "never"}


def _later(random: Random, provider: ProviderName) -> dict[str, Any]:
    """Return what only Paylogic has: announced dates and personalization."""
    if provider != "paylogic":
        return _plain(random, provider)
    what = random.choice(["fulfillment_starts_after", "needs_personalization_until"])
    return {what: round(random.uniform(1, 6), 1)}


_ENDINGS: list[Callable[[Random, ProviderName], dict[str, Any]]] = [_plain, _halves, _declined, _never, _later]
_ENDING_WEIGHTS = [60, 15, 10, 4, 11]


def _document(random: Random) -> dict[str, Any]:
    """Return the form of an order's files and the obstacles to downloading them."""
    document = {
        "form": random.choice(_FORMS),
        "encoding": random.choice(get_args(Encoding)),
        "redirects": random.choice([0, 0, 1, 5]),
        "cookie": random.random() < 0.3,
        "unready": random.choice(["404", "202", "page"]),
        "retry_after": random.choice([None, 1, 2]),
    }
    return {"document": document, "documents_after": random.choice([0.0, 0.0, 0.0, 2.0])}


def _provider_faults(random: Random, provider: ProviderName) -> list[dict[str, Any]]:
    """Return what goes wrong with the first requests."""
    wait = random.choice([1, 2])
    hint = {
        "retry_after": wait,
        "form": random.choice(get_args(HintForm)),
        "clock": random.choice([0, 0, -600, 3_600]),
        "also": random.choice([[], ["1", "soon"]]),
    }
    faults: list[tuple[int, list[dict[str, Any]]]] = [
        (2, [{"do": "status", "status": 429, **hint}]),
        (1, [{"do": "status", "status": 403, "gateway": True, **hint}]),
        (1, [{"do": "status", "status": 403, "gateway": True}]),
        (2, [{"do": "status", "status": 403}] * wait),
        (4, [{"do": "status", "status": 503, **hint}]),
        (4, [{"do": "usual", **hint}]),
        (2, [{"do": "status", "status": 404, **hint}]),
        (2, [{"do": "malformed", **hint}]),
        (4, [{"do": "usual", "packing": random.choice(_PACKINGS), "times": 2}]),
        (4, [{"do": "status", "status": 503}]),
        (4, [{"do": "status", "status": 404}] * wait),
        (3, [{"do": "malformed"}]),
        (2, [{"do": "truncated_json"}]),
        (5, [{"do": "hang", "seconds": round(random.uniform(1, 2), 1)}]),
        (4, [{"do": "reset"}]),
        (4, [{"do": "cut"}]),
        (1 if provider == "funtrips" else 0, [{"do": "token_expired"}]),
    ]
    return random.choices([answers for _, answers in faults], [weight for weight, _ in faults])[0]
