"""Recorded answers against an adversary: fields absent, null, doubled, reordered and of other types.

Whatever is done to an answer:

- an adapter returns an outcome, and what it returns can be stored;
- nobody is let in twice, and no more people than the unchanged answer lets in for each time that it is shown;
- an order ends only with a word that the answer still has.
"""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.holding import outcome_of
from tests.contract.test_recorded_answers import CASES
from willcall.http.messages import Response
from willcall.orders.outcomes import OUTCOME_NAMES, Cancelled, Declined, Issued, Outcome, PartlyIssued
from willcall.orders.serialization import ticket_from_json, ticket_to_json
from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import without_duplicates
from willcall.orders.ticket_ids import with_ids
from willcall.providers.base import OrderQuery
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.reading import read_json

PROVIDERS = ("tiqets", "tixstock", "voordemensen", "paylogic")
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=6), inner, max_size=2),
    max_leaves=4,
)
#: Words with which each provider ends an order, for orders and single tickets.
ENDS = {"cancelled", "canceled", "refunded", "failed", "rejected", "refunded/cancelled"}


def bodies(provider: str) -> dict[str, tuple[dict[str, Any], Any]]:
    """The JSON objects among a provider's recorded answers with status 200, by case."""
    found = {}
    for case in CASES:
        if case.parent.name != provider:
            continue
        recorded = json.loads((case / "status.json").read_text())
        response = Response(recorded["status"], recorded["headers"], (case / "body").read_bytes(), 0.0)
        body = read_json(response) if provider == "voordemensen" else read_lenient_object(response)
        if recorded["status"] == 200 and isinstance(body, dict):
            found[case.name] = (recorded, body)
    return found


BODIES = {provider: bodies(provider) for provider in PROVIDERS}


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys."""
    if isinstance(value, dict | list):
        for key in [*value] if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def words(value: Any) -> set[str]:
    """All texts of an answer, in lower case and without blanks around slashes."""
    if isinstance(value, str):
        return {value.strip().lower().replace(" / ", "/")}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {word for each in inner for word in words(each)}


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    result = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 4))):
        found = [*places(result)]
        if not found:
            break
        container, key = draw(st.sampled_from(found))
        match draw(st.sampled_from(["absent", "null", "junk", "doubled", "reordered", "text"])):
            case "absent":
                del container[key]
            case "null":
                container[key] = None
            case "junk":
                container[key] = draw(JUNK)
            case "doubled" if isinstance(container, list):
                container.insert(draw(st.integers(0, len(container))), copy.deepcopy(container[key]))
            case "doubled":
                container[key] = [container[key], copy.deepcopy(container[key])]
            case "reordered" if isinstance(container[key], list):
                container[key] = draw(st.permutations(container[key]))
            case "text":
                container[key] = str(container[key])
    return result


def read(provider: str, recorded: dict[str, Any], body: Any) -> Outcome:
    received_at = recorded.get("received_at", 1_795_345_200.0)
    response = Response(200, recorded["headers"], json.dumps(body).encode(), received_at)
    kind = 1 if recorded.get("headless") else 0
    query = OrderQuery(recorded["reference"], recorded["quantity"])
    return outcome_of(provider, query, response, kind=kind, further=recorded.get("further"))


def people(outcome: Outcome) -> int:
    return count_admissions(outcome.tickets) if isinstance(outcome, Issued | PartlyIssued) else 0


def listed(body: Any) -> int:
    """How many entries the longest list of an answer has, with one at least: so many people it can show."""
    inner = body.values() if isinstance(body, dict) else body if isinstance(body, list) else ()
    own = len(body) if isinstance(body, list) else 1
    return max([own, *map(listed, inner)])


@pytest.mark.parametrize("provider", PROVIDERS)
@given(data=st.data())
def test_a_changed_answer_invents_nothing(provider: str, data: st.DataObject) -> None:
    recorded, body = BODIES[provider][data.draw(st.sampled_from(sorted(BODIES[provider])))]
    other = data.draw(changed(body))
    outcome = read(provider, recorded, other)
    assert type(outcome) in OUTCOME_NAMES
    if isinstance(outcome, Cancelled | Declined):
        assert words([other, recorded.get("further")]) & ENDS, "an end that the answer does not have"
    if isinstance(outcome, Issued | PartlyIssued):
        assert without_duplicates(outcome.tickets) == outcome.tickets
        tickets = with_ids(outcome.tickets)
        assert [ticket_from_json(json.loads(json.dumps(ticket_to_json(ticket)))) for ticket in tickets] == [*tickets]
        assert people(outcome) <= max(people(read(provider, recorded, body)), listed(other), 1)
