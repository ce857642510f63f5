"""Each recorded response of a provider is read as its case says.

A case is a folder `tests/fixtures/<provider>/<case>/` with `body`, the bytes as they came, and `status.json`:
`status`, `headers`, `reference`, `quantity`, optionally `received_at` and `bought_at` (epoch seconds), `headless` (the
provider's second kind of credentials), `source` (a printed `sample`, the text of the `documentation`, or `inferred`
from it), `address` (that page), `further` (later responses) and `note`, and `expect`: the outcome's word, and of its
fields those that matter.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.contract.credentials import TABLES
from tests.contract.holding import outcome_of
from willcall.http.messages import Response
from willcall.orders.outcomes import Outcome, attention_of, outcome_name
from willcall.providers.base import OrderQuery
from willcall.providers.registry import ADAPTERS

FIXTURES = Path(__file__).parent.parent / "fixtures"
CASES = [case for name in ADAPTERS for case in sorted((FIXTURES / name).glob("*/"))]
KEYS = {"status", "headers", "reference", "quantity", "headless", "received_at", "bought_at", "expect", "note"}
#: Where a case is from, and the address of that page.
KEYS |= {"source", "address"}
#: Providers whose cases all say where they are from.
SAID = {"funtrips", "tiqets", "tixstock", "voordemensen", "paylogic"}
#: Later responses of the conversation, by path.
KEYS |= {"further"}


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_provider_has_recorded_responses(name: str) -> None:
    assert [case for case in CASES if case.parent.name == name]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_recorded_response_is_read_as_its_case_says(case: Path) -> None:
    recorded = json.loads((case / "status.json").read_text())
    assert set(recorded) <= KEYS
    if case.parent.name in SAID:
        assert recorded["source"] in {"documentation", "sample", "inferred"}
        assert recorded["address"].startswith("https://")
    name = case.parent.name
    one = ADAPTERS[name]
    credentials = one.credentials.model_validate(TABLES[name][1 if recorded.get("headless") else 0])
    one.check_reference(recorded["reference"], credentials)
    response = Response(
        recorded["status"],
        recorded["headers"],
        (case / "body").read_bytes(),
        received_at=recorded.get("received_at", 1_795_345_200.0),
    )
    query = OrderQuery(recorded["reference"], recorded["quantity"], bought_at=recorded.get("bought_at", -math.inf))
    kind = 1 if recorded.get("headless") else 0
    outcome = outcome_of(name, query, response, kind=kind, further=recorded.get("further"))
    _compare(outcome, dict(recorded["expect"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_a_recorded_response_means_the_same_in_every_charset(case: Path) -> None:
    """Whether its label says so, says nothing or is wrong."""
    recorded, body = json.loads((case / "status.json").read_text()), (case / "body").read_bytes()
    one, query = ADAPTERS[case.parent.name], OrderQuery(recorded["reference"], recorded["quantity"])

    def read(body: bytes, **headers: str) -> Outcome:
        named = {"content-type": headers["label"]} if headers else {}
        return one.read_status(query, Response(recorded["status"], recorded["headers"] | named, body, 1.8e9))

    expected = read(body)
    text = body.decode("utf-8-sig")
    for charset in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "windows-1252"):
        if text.strip() and (charset != "windows-1252" or text.isprintable()):
            encoded = text.encode(charset, errors="ignore")
            for label in (f"application/json; charset={charset}", "application/json;charset=iso-8859-1", "text/html"):
                assert read(encoded, label=label) == expected, (charset, label)
            assert read(encoded) == expected, charset


def _compare(outcome: Outcome, expected: dict[str, Any]) -> None:
    assert outcome_name(outcome) == expected.pop("outcome"), outcome
    tickets = expected.pop("tickets", None)
    for field, value in expected.items():
        assert _value(outcome, field) == value, field
    if tickets is not None:
        found = [asdict(ticket) for ticket in outcome.tickets]  # type: ignore[union-attr]
        assert len(found) == len(tickets)
        for ticket, partial in zip(found, tickets, strict=True):
            assert _part(ticket, partial) == partial


def _value(outcome: Any, field: str) -> Any:
    """The value of a field; of what an order needs, the attention and the time; of a document, the kind and address."""
    if field == "needed_by":
        return outcome.needs and outcome.needs.until
    if field == "documents":
        return [{"kind": document.kind, "url": document.url} for document in outcome.documents]
    return attention_of(outcome) if field == "attention" else getattr(outcome, field)


def _part(whole: Mapping[str, Any], partial: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `whole` that `partial` names; of `extra` the same."""
    return {name: _part(whole[name], value) if name == "extra" else whole.get(name) for name, value in partial.items()}
