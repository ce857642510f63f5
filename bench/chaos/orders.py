"""Orders of all providers and reference kinds, with every trouble that a provider can make: by seed."""

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
#: References under which no end is told but a good one: single tickets, and a user's list, which may hold other orders.
_ALWAYS_GOOD = (*SINGLE, "user:")
#: The first answers of a provider that is slow: a crowd at it must not hold up the others.
_SLOW: list[dict[str, Any]] = [{"do": "hang", "seconds": 2.0}] * 2
#: Files that hold a ticket, in every form.
_FORMS: list[FileForm] = sorted(set(get_args(FileForm)) - FORMS_WITHOUT_TICKET)
#: Bodies that are not what their labels say.
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
    """What each account may do in a run of `count` orders."""
    limits = {key: max(3, round(limit * min(1.0, count / FULL_SIZE))) for key, limit in RATES.items()}
    return {key: RateScript(limit=limit, burst=limit) for key, limit in limits.items()}


def accounts(count: int) -> tuple[AccountScript, ...]:
    """The accounts, held to these rates, one with a token endpoint that has ways of its own."""
    scripts = {key: {"provider": key[0], "name": key[1], "rate": rate} for key, rate in rates(count).items()}
    scripts["funtrips", "default"] |= {"token_auth": "body", "token_status": 201, "token_lifetime_form": "text"}
    return tuple(map(AccountScript.model_validate, scripts.values()))


def orders(seed: int, count: int) -> list[OrderScript]:
    """`count` orders; the same seed gives the same."""
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
        fields |= random.choices(_FATES, _FATE_WEIGHTS)[0](random, provider)
    if random.random() < 0.35:
        fields["answers"] = _trouble(random, provider)
    if provider == "voordemensen":
        fields["answers"] = [*_SLOW, *fields.get("answers", [])]
    if random.random() < 0.4:
        fields |= _document(random)
    if random.random() < 0.2:
        fields |= _odd_tickets(provider, fields)
    if provider == "funtrips":
        hint = {"retry_after": random.choice([None, 1, 2, 4]), "form": random.choice(["seconds", "date"])}
        fields["pending_hint"] = hint
    return OrderScript.model_validate({"provider": provider, **fields})


def _reference(random: Random, provider: ProviderName, number: int) -> dict[str, Any]:
    """One of the provider's kinds of references, unique by `number`."""
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


def _odd_tickets(provider: ProviderName, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Tickets that are there twice, without seats, or void."""
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
    """What only one provider does: dates to wait for, forms to fill in."""
    if provider != "paylogic":
        return _plain(random, provider)
    what = random.choice(["fulfillment_starts_after", "needs_personalization_until"])
    return {what: round(random.uniform(1, 6), 1)}


_FATES: list[Callable[[Random, ProviderName], dict[str, Any]]] = [_plain, _halves, _declined, _never, _later]
_FATE_WEIGHTS = [60, 15, 10, 4, 11]


def _document(random: Random) -> dict[str, Any]:
    """What the files of an order are, and what stands before them."""
    document = {
        "form": random.choice(_FORMS),
        "encoding": random.choice(get_args(Encoding)),
        "redirects": random.choice([0, 0, 1, 5]),
        "cookie": random.random() < 0.3,
        "unready": random.choice(["404", "202", "page"]),
        "retry_after": random.choice([None, 1, 2]),
    }
    return {"document": document, "documents_after": random.choice([0.0, 0.0, 0.0, 2.0])}


def _trouble(random: Random, provider: ProviderName) -> list[dict[str, Any]]:
    """What goes wrong with the first request or two."""
    wait = random.choice([1, 2])
    hint = {
        "retry_after": wait,
        "form": random.choice(get_args(HintForm)),
        "clock": random.choice([0, 0, -600, 3_600]),
        "also": random.choice([[], ["1", "soon"]]),
    }
    troubles: list[tuple[int, list[dict[str, Any]]]] = [
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
    return random.choices([answers for _, answers in troubles], [weight for weight, _ in troubles])[0]
