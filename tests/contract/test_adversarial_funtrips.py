"""Funtrips against an adversary: documented fields absent, null, doubled, reordered and of other types.

The provider has checkouts with tickets for so many people. It shows them over pages and single checkouts, each time a
part of the tickets and of their fields. Whatever it leaves out or repeats:

- an order never has more people than the provider has for it, nor fewer than it has shown;
- no ticket is there twice;
- the order ends only as the provider says.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import OUTCOME_NAMES, Cancelled, Declined, Issued, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.urls import without_query
from willcall.orders.user_lists import Ownership
from willcall.providers.base import OrderQuery
from willcall.providers.funtrips import ADAPTER
from willcall.providers.funtrips.credentials import FuntripsCredentials
from willcall.usecases.conversations import first_request, hold

BASE = "https://api.funtrips.example/live"
ACCOUNT = FuntripsCredentials(
    base_url=BASE,
    token_url="https://auth.funtrips.example/oauth/token",
    client_id="box-office",
    client_secret=SecretStr("secret"),
)

#: Values of a wrong type. None of them is a web address, or means "not deliverable yet".
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
#: Fields of a ticket that identify nobody.
PLAIN = ("title", "name", "event", "price", "fee", "holder", "customer", "validity", "entrance", "currency", "product")


@dataclass(frozen=True)
class Person:
    """A ticket as the provider has it. `ids`: each answer names its id, and may leave out its code or its file."""

    number: int
    ids: bool
    has_code: bool

    @property
    def code(self) -> str:
        return f"CODE-{self.number}"


@dataclass(frozen=True)
class Checkout:
    """An order at the provider."""

    name: str
    people: list[Person]
    word: str | None
    has_id: bool


@dataclass
class Provider:
    """Answers requests, and remembers what it has shown to whom: the numbers of people by checkout."""

    answers: dict[str, Any]
    contents: dict[str, dict[str, set[int]]]
    shown: dict[str, set[int]] = field(default_factory=dict)
    failed: bool = False

    def send(self, request: Request) -> Response | None:
        name = f"{request.url}?{json.dumps(request.params, sort_keys=True)}"
        answer = self.answers.get(name)
        if answer is None:
            self.failed = True
            return None
        for checkout, numbers in self.contents[name].items():
            self.shown.setdefault(checkout, set()).update(numbers)
        return Response(200, {"content-type": "application/json"}, json.dumps(answer).encode(), received_at=0.0)


@st.composite
def checkouts(draw: st.DrawFn, names: Iterable[str]) -> list[Checkout]:
    found, first = [], 0
    for name in names:
        ids = draw(st.booleans())
        with_codes = ids or draw(st.booleans())
        size = draw(st.integers(1, 4))
        people = [Person(first + n, ids, with_codes) for n in range(size)]
        first += size
        word = draw(st.sampled_from(["COMPLETED", "completed", "PENDING", "TELEPORTED", "FAILED", "CANCELLED", None]))
        found.append(Checkout(name, people, word, has_id=not with_codes or draw(st.booleans())))
    return found


@st.composite
def entry(draw: st.DrawFn, person: Person, signature: int, *, with_files: bool) -> tuple[dict[str, Any], bool]:
    """One ticket as an answer shows it, and whether it can be used. Each answer signs all its addresses alike."""
    fields: dict[str, Any] = {name: draw(JUNK) for name in draw(st.lists(st.sampled_from(PLAIN), max_size=3))}
    shows_code = person.has_code and (not person.ids or draw(st.booleans()))
    shows_file = with_files and (not person.has_code or draw(st.booleans()))
    if person.ids:
        fields["ticket_id"] = f"id-{person.number}"
    if shows_code:
        code = person.code
        form = draw(st.sampled_from(["text", "object", "list", "objects", "doubled", "qr"]))
        fields |= {
            "text": {"barcode": code, "barcodes": None},
            "object": {"barcode": {"format": "QR", "value": code}},
            "list": {"barcodes": [code, code.lower()]},
            "objects": {"barcodes": [{"value": f" {code}"}]},
            "doubled": {"code": code, "barcode": code},
            "qr": {"barcode": None, "qr_code": code},
        }[form]
    if shows_file:
        url = f"https://files.example/{person.number}.pdf?X-Signature={signature}"
        fields |= draw(st.sampled_from([{"pdf_url": url}, {"pdf": {"url": url, "expires_at": "soon"}}, {"pdf": url}]))
    if draw(st.booleans()):
        fields["deliverable"] = draw(st.sampled_from([True, None, 1, "yes", []]))
    names = draw(st.permutations(list(fields)))
    return {name: fields[name] for name in names}, shows_code or shows_file


@st.composite
def record(draw: st.DrawFn, checkout: Checkout, signature: int, *, with_files: bool) -> tuple[dict[str, Any], set[int]]:
    """A record as an answer shows it, and the people whose tickets it has."""
    people = draw(st.lists(st.sampled_from(checkout.people), max_size=6))
    entries, usable = [], set()
    for person in people:
        fields, is_usable = draw(entry(person, signature, with_files=with_files or not person.has_code))
        entries.append(fields)
        usable |= {person.number} if is_usable else set()
    fields = {"checkout_id": checkout.name, "tickets": entries, "status": checkout.word}
    if checkout.has_id:
        fields["fulfillment_order_id"] = f"f-{checkout.name}"
    if not entries and draw(st.booleans()):
        fields["tickets"] = None
    fields |= {name: draw(JUNK) for name in draw(st.lists(st.sampled_from(PLAIN), max_size=2))}
    return fields, usable


@st.composite
def providers(draw: st.DrawFn, every: list[Checkout], filters: dict[str, str], details: list[Checkout]) -> Provider:
    """A list of several pages under a filter, and the answers for single checkouts; some are missing."""
    url, answers, contents = f"{BASE}/v1/admin/fulfillments", {}, {}

    def add(params: dict[str, str], body: Any, numbers: dict[str, set[int]]) -> None:
        name = f"{url}?{json.dumps(params, sort_keys=True)}"
        answers[name], contents[name] = body, numbers

    last = draw(st.integers(0, 3))
    for page in range(last + 1):
        records, numbers = [], {}
        for checkout in draw(st.permutations(every)):
            for _ in range(draw(st.integers(0, 2))):
                fields, people = draw(record(checkout, page, with_files=False))
                records.append(fields)
                numbers.setdefault(checkout.name, set()).update(people)
        following = None if page == last else f"p{page + 1}"
        form = draw(st.sampled_from(["next_cursor", "next", "cursor", "pagination"]))
        body = {"items": records, **({form: {"next_cursor": following}} if form == "pagination" else {form: following})}
        if page == 0 or draw(st.integers(0, 9)):
            add(filters | ({"cursor": f"p{page}"} if page else {}), body, numbers)
    for checkout in details:
        if draw(st.integers(0, 5)):
            fields, people = draw(record(checkout, last + 1, with_files=True))
            add({"checkout_id": checkout.name}, [fields], {checkout.name: people})
    return Provider(answers, contents)


def talk(provider: Provider, query: OrderQuery) -> Outcome:
    first = provider.send(first_request(ADAPTER.converse(query, ACCOUNT, "bearer")))
    assert first is not None
    return hold(ADAPTER.converse(query, ACCOUNT, "bearer"), first, provider.send, lambda _keys: Ownership())


def check_tickets(outcome: Outcome, every: list[Checkout]) -> int:
    """Check that no ticket is there twice, and return how many people they let in."""
    if not isinstance(outcome, Issued | PartlyIssued):
        return 0
    marks = [(one.code or "", without_query(one.url)) for one in outcome.tickets]
    assert len(marks) == len(set(marks))
    count = count_admissions(outcome.tickets)
    assert 0 < count <= sum(len(checkout.people) for checkout in every)
    return count


def is_ended(checkout: Checkout) -> bool:
    return checkout.word in {"FAILED", "CANCELLED"}


@given(st.data())
def test_a_checkout_has_the_tickets_that_were_shown(data: st.DataObject) -> None:
    [checkout] = every = data.draw(checkouts(["c1"]))
    provider = data.draw(providers(every, {"checkout_id": "c1"}, []))
    outcome = talk(provider, OrderQuery("c1", quantity=data.draw(st.none() | st.integers(1, 5))))
    assert type(outcome) in OUTCOME_NAMES
    count = check_tickets(outcome, every)
    if not is_ended(checkout):
        assert count >= len(provider.shown.get("c1", ()))
        assert not isinstance(outcome, Declined | Cancelled)
    elif isinstance(outcome, Cancelled):
        assert checkout.word == "CANCELLED"
    if provider.failed:
        assert not isinstance(outcome, Issued | Declined | Cancelled)
    if isinstance(outcome, Issued):
        assert provider.shown["c1"]
        assert not is_ended(checkout)


@given(st.data())
def test_a_users_order_has_the_tickets_that_were_shown(data: st.DataObject) -> None:
    every = data.draw(checkouts(["c1", "c2", "c3"]))
    quantity = data.draw(st.integers(1, 8))
    provider = data.draw(providers(every, {"external_user_id": "7"}, every))
    outcome = talk(provider, OrderQuery("user:7", quantity=quantity))
    assert type(outcome) in OUTCOME_NAMES
    assert not isinstance(outcome, Declined | Cancelled)
    live = [checkout for checkout in every if not is_ended(checkout)]
    count = check_tickets(outcome, live)
    shown = sum(len(provider.shown.get(checkout.name, ())) for checkout in live)
    assert count <= quantity
    assert count >= min(quantity, shown)
    if isinstance(outcome, Issued):
        assert count == quantity
