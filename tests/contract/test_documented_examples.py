"""The pages about providers show what becomes of the providers' own printed examples, field by field.

A page names the recorded response above each example: `<!-- example: seed_ticket -->`, or the recorded webhook:
`<!-- webhook: paper -->`. Webhooks are shown without fields that are null.
"""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.contract.holding import outcome_of
from tests.contract.test_pushes import read as read_webhook
from tests.contract.test_recorded_answers import FIXTURES
from willcall.http.messages import Response
from willcall.orders.outcomes import Issued
from willcall.orders.pushes import TicketsPush
from willcall.orders.serialization import document_schema, ticket_to_json
from willcall.orders.ticket_ids import with_ids
from willcall.providers.base import OrderQuery
from willcall.providers.pushes import ParsedPush

PAGES = Path(__file__).parents[2] / "docs" / "providers"
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\s*```json\n(.*?)```", re.DOTALL)
WEBHOOK = re.compile(r"<!-- webhook: (\w+) -->\s*```json\n(.*?)```", re.DOTALL)
EXAMPLES = [
    (page.stem, name, text) for page in sorted(PAGES.glob("*.md")) for name, text in EXAMPLE.findall(page.read_text())
]
WEBHOOKS = [
    (page.stem, name, text) for page in sorted(PAGES.glob("*.md")) for name, text in WEBHOOK.findall(page.read_text())
]


def test_pages_have_examples() -> None:
    assert {"paylogic", "tiqets", "voordemensen"} <= {page for page, _, _ in EXAMPLES}


@pytest.mark.parametrize(("provider", "name", "text"), EXAMPLES, ids=[f"{page}/{name}" for page, name, _ in EXAMPLES])
def test_an_example_is_read_as_its_page_shows(provider: str, name: str, text: str) -> None:
    folder = FIXTURES / provider / name
    recorded = json.loads((folder / "status.json").read_text())
    response = Response(recorded["status"], recorded["headers"], (folder / "body").read_bytes(), 1_795_345_200.0)
    query = OrderQuery(recorded["reference"], recorded["quantity"])
    kind = 1 if recorded.get("headless") else 0
    outcome = outcome_of(provider, query, response, kind=kind, further=recorded.get("further"))
    assert isinstance(outcome, Issued)
    shown = {
        "tickets": [ticket_to_json(replace(ticket, holder=None)) for ticket in with_ids(outcome.tickets)],
        "documents": [document_schema(document).to_json() for document in outcome.documents],
    }
    assert json.loads(text) == shown


def test_the_page_of_tixstock_has_its_webhooks() -> None:
    assert {name for _, name, _ in WEBHOOKS} >= {"mobile_ticket_seated", "mobile_links", "paper"}


@pytest.mark.parametrize(("provider", "name", "text"), WEBHOOKS, ids=[f"{page}/{name}" for page, name, _ in WEBHOOKS])
def test_a_webhook_is_read_as_its_page_shows(provider: str, name: str, text: str) -> None:
    reading = read_webhook(provider, (FIXTURES / "webhooks" / provider / name / "body").read_bytes())
    assert isinstance(reading, ParsedPush)
    assert isinstance(reading.push, TicketsPush)
    tickets = [_shown(ticket_to_json(ticket)) for ticket in with_ids(reading.push.tickets)]
    documents = [_shown(document_schema(document).to_json()) for document in reading.push.documents]
    assert json.loads(text) == {"tickets": tickets, "documents": documents}


def _shown(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
