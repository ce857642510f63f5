"""The OpenAPI document makes good clients."""

import re
from typing import Any, get_args

import pytest
from openapi_spec_validator import validate

from tests.integration.api.conftest import Running
from willcall.api.openapi_events import EVENT_TYPES
from willcall.schemas.orders import EventType

#: What a caller sends.
BODIES = ("SubmitOrder", "AmendOrder", "Batch", "Pause", "Override", "Look", "Redeliveries", "Trigger")


@pytest.fixture
def document(api: Running) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    paths = [*document["paths"].values(), *document["webhooks"].values()]
    return [operation for path in paths for operation in path.values()]


def test_it_is_a_valid_document_in_which_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    validate(document)
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references == set(schemas)


def test_each_operation_has_a_name_that_a_method_of_a_client_can_have(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names
    assert {"submit_order", "list_orders", "show_order", "cancel_order", "list_events"} <= {*names}


@pytest.mark.parametrize("name", BODIES)
def test_what_may_be_left_out_of_a_request_is_not_required(document: dict[str, Any], name: str) -> None:
    """Generators of clients take a field with a default for one that is always there."""
    shape = document["components"]["schemas"][name]
    assert [field for field, schema in shape["properties"].items() if "default" in schema] == []
    purchase = ["provider", "reference"]
    required = {"SubmitOrder": purchase, "Look": purchase, "Batch": ["orders"], "Trigger": ["status"]}
    assert shape.get("required", []) == required.get(name, [])


def test_each_type_of_event_is_a_shape_of_its_own_and_a_webhook(document: dict[str, Any]) -> None:
    assert list(get_args(EventType)[1].values) == list(EVENT_TYPES) == list(document["webhooks"])
    schemas = document["components"]["schemas"]
    event = schemas["Event"]
    assert event["discriminator"]["propertyName"] == "type"
    assert [option["$ref"] for option in event["oneOf"]] == list(event["discriminator"]["mapping"].values())
    for kind, reference in event["discriminator"]["mapping"].items():
        shape = schemas[reference.rpartition("/")[2]]
        assert shape["properties"]["type"]["const"] == kind
        webhook = document["webhooks"][kind]["post"]
        assert webhook["requestBody"]["content"]["application/json"]["schema"] == {"$ref": reference}
        headers = {parameter["name"]: parameter["required"] for parameter in webhook["parameters"]}
        assert headers == {"webhook-id": True, "webhook-timestamp": True, "webhook-signature": True}
