"""The Python client knows every JSON shape that the server sends to backends."""

from dataclasses import fields
from typing import Any, get_args

import pytest

import willcall_client.models as read
from willcall.api.examples import EXAMPLES
from willcall.orders.file_types import FILE_TYPES, FileType
from willcall.schemas import accounts, operations, orders, problems
from willcall.schemas.base import Schema

SHAPES = [
    *(orders.TicketEvent, orders.Money, orders.OrderDocument, orders.Needs),
    *(orders.Ticket, orders.Order, orders.OrderPage, orders.Attempt, orders.AttemptPage, orders.Event),
    *(orders.EventPage, orders.BatchResult, orders.BatchResults, orders.BulkResult, orders.BulkResults),
    *(accounts.Account, accounts.AccountPage, accounts.Backlog, accounts.Rate, accounts.ResumeResult),
    *(accounts.UnderlyingHealth, operations.Readiness, operations.ServiceStatus),
    *(operations.LookResult, operations.RedeliveryResult, operations.TriggerResult),
    *(problems.Problem, problems.FieldProblem),
]


def names(shape: type[Any]) -> set[str]:
    return {field.name for field in fields(shape)}


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_the_client_reads_every_field(shape: type[Schema]) -> None:
    assert names(getattr(read, shape.__name__)) == names(shape) | {"raw"}


@pytest.mark.parametrize("name", sorted({shape.__name__ for shape in SHAPES} & EXAMPLES.keys()))
def test_the_client_reads_the_examples_of_the_api(name: str) -> None:
    assert getattr(read, name).from_json(EXAMPLES[name]).raw == EXAMPLES[name]


def test_final_statuses_are_the_same() -> None:
    assert read.FINAL_STATUSES == orders.FINAL_STATUSES
    assert set(get_args(orders.Status)[1].values) > read.FINAL_STATUSES


@pytest.mark.parametrize("file_type", FILE_TYPES.values(), ids=FILE_TYPES)
def test_a_document_has_a_name_with_the_extension_of_its_type(file_type: FileType) -> None:
    example = EXAMPLES["Order"]["tickets"][0]
    ticket = read.Ticket.from_json({**example, "document": "doc_1", "content_type": file_type.content_type})
    assert ticket.file_name == f"doc_1.{file_type.extension}"
