"""Rules for counting admissions, checked with the recorded responses of every provider.

Neither the sequence of its lists nor a repetition in them changes the number, and a void ticket takes nothing away.
"""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.contract.holding import outcome_of
from tests.contract.test_recorded_answers import CASES
from willcall.http.messages import Response
from willcall.orders.outcomes import Issued, Outcome, PartlyIssued
from willcall.orders.ticket_admissions import count_admissions
from willcall.providers.base import OrderQuery
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.reading import read_json
from willcall.providers.registry import ADAPTERS

#: Lists of records or tickets, by name; the body itself may be one.
LISTS = {"items", "data", "results", "fulfillments", "tickets", "shop:ticket", "file", "mobile_links"}
#: At Tixstock an item without a file is a ticket that is still missing: two equal ones are two.
COUNTED = {"tixstock": {"items"}}
#: At voordemensen a list of several is none of its responses.
COUNTED["voordemensen"] = LISTS


def recorded(case: Path) -> tuple[str, dict[str, Any], Any]:
    name, status = case.parent.name, json.loads((case / "status.json").read_text())
    response = Response(200, {}, (case / "body").read_bytes(), 0.0)
    body = read_json(response) if name in {"funtrips", "voordemensen"} else read_lenient_object(response)
    return name, status, body


def read(name: str, status: dict[str, Any], body: Any) -> Outcome:
    response = Response(200, status["headers"], json.dumps(body).encode(), status.get("received_at", 1_795_345_200.0))
    kind = 1 if status.get("headless") else 0
    query = OrderQuery(status["reference"], status["quantity"])
    return outcome_of(name, query, response, kind=kind, further=status.get("further"))


def lists_of(value: Any, name: str = "items") -> Iterator[tuple[str, list[Any]]]:
    if isinstance(value, list):
        if name in LISTS:
            yield name, value
        for entry in value:
            yield from lists_of(entry, "")
    elif isinstance(value, dict):
        for key, entry in value.items():
            yield from lists_of(entry, key)


def count(outcome: Outcome) -> int:
    return count_admissions(outcome.tickets) if isinstance(outcome, Issued | PartlyIssued) else 0


WITH_TICKETS = [case for case in CASES if recorded(case)[1]["expect"]["outcome"] in {"issued", "partly_issued"}]
cases = pytest.mark.parametrize("case", WITH_TICKETS, ids=lambda case: f"{case.parent.name}/{case.name}")


def test_every_provider_has_responses_with_tickets() -> None:
    assert {case.parent.name for case in WITH_TICKETS} == set(ADAPTERS)


@cases
def test_the_sequence_of_a_list_changes_nothing(case: Path) -> None:
    name, status, body = recorded(case)
    before = read(name, status, body)
    for seed in range(3):
        changed = copy.deepcopy(body)
        for _, entries in lists_of(changed):
            Random(seed).shuffle(entries)
        after = read(name, status, changed)
        assert (type(after), count(after)) == (type(before), count(before))


@cases
def test_a_repeated_ticket_in_a_list_counts_once(case: Path) -> None:
    name, status, body = recorded(case)
    before = read(name, status, body)
    for seed in range(3):
        changed = copy.deepcopy(body)
        for list_name, entries in list(lists_of(changed)):
            if entries and list_name not in COUNTED.get(name, set()):
                entries.insert(Random(seed).randrange(len(entries) + 1), copy.deepcopy(Random(seed).choice(entries)))
        after = read(name, status, changed)
        assert count(after) == count(before)
        assert not (isinstance(after, Issued) and isinstance(before, PartlyIssued))


@cases
def test_a_void_ticket_removes_no_other(case: Path) -> None:
    name, status, body = recorded(case)
    before = read(name, status, body)
    changed = copy.deepcopy(body)
    for list_name, entries in list(lists_of(changed)):
        if list_name in {"tickets", "shop:ticket"} and entries:
            void = {
                **copy.deepcopy(entries[0]),
                "uid": "void",
                "code": "void",
                "barcode": "void",
                "status": "cancelled",
            }
            entries.append(void)
    after = read(name, status, changed)
    if name == "paylogic" and not status["reference"].startswith(("ticket:", "code:")):
        assert count(after) == count(before)
        assert isinstance(after, Issued) or isinstance(before, PartlyIssued)
    else:
        assert count(after) in {count(before), 0}
