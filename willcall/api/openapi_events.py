"""Events in the OpenAPI document: the shape of each type, and the webhooks that carry them."""

from typing import Any

#: What each type of event says.
EVENT_TYPES = {
    "order.pending": "The order is open again: the payment of a cancelled order was repeated at the provider.",
    "order.partial": "Some of the tickets are here.",
    "order.fulfilled": "All tickets are here.",
    "order.failed": "The provider will not issue the tickets.",
    "order.cancelled": "You or the provider cancelled the order.",
    "order.expired": "There was no final answer before the deadline.",
    "order.updated": "The tickets or documents changed, and the status did not.",
    "order.attention": "The reason why someone should look at the order began, changed or ended.",
    "order.at_risk": "The event is near, and tickets are missing.",
}

_REFERENCE = "#/components/schemas/"
_HEADERS = {
    "webhook-id": (
        "The event's `id`: the same in each attempt. Ignore an event whose id you have handled.",
        "evt_0b5ee2b1",
    ),
    "webhook-timestamp": ("The time of this attempt in epoch seconds. Reject one that is minutes old.", "1795341616"),
    "webhook-signature": (
        "Signatures separated by blanks: each is `v1,` and base64 of the HMAC-SHA256 of `<id>.<timestamp>.<body>`.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ),
}


def event_shapes(event: dict[str, Any]) -> dict[str, Any]:
    """Return a shape for each type of event, and `Event` as one of them. `event` is the shape that they share."""
    shapes = {_name(kind): _shape_of(kind, event, description) for kind, description in EVENT_TYPES.items()}
    union = {
        "title": "Event",
        "description": event["description"],
        "oneOf": [{"$ref": _REFERENCE + name} for name in shapes],
        "discriminator": {
            "propertyName": "type",
            "mapping": {kind: _REFERENCE + _name(kind) for kind in EVENT_TYPES},
        },
    }
    return {**shapes, "Event": union}


def webhooks() -> dict[str, Any]:
    """Return the document's `webhooks`: what Willcall sends to the `callback_url` of an order."""
    return {kind: {"post": _webhook(kind, description)} for kind, description in EVENT_TYPES.items()}


def _name(kind: str) -> str:
    """Return the name of the shape, such as `OrderAtRiskEvent`."""
    return "".join(word.capitalize() for word in kind.replace(".", "_").split("_")) + "Event"


def _shape_of(kind: str, event: dict[str, Any], description: str) -> dict[str, Any]:
    properties = {**event["properties"], "type": {"type": "string", "const": kind}}
    return {**event, "title": _name(kind), "description": description, "properties": properties}


def _webhook(kind: str, description: str) -> dict[str, Any]:
    return {
        "operationId": f"receive_{kind.replace('.', '_')}",
        "summary": f"Receive {kind}",
        "description": f"{description} A Standard Webhooks message, sent until the response is a 2xx.",
        "tags": ["events"],
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "description": text,
                "schema": {"type": "string"},
                "example": example,
            }
            for name, (text, example) in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REFERENCE + _name(kind)}}},
        },
        "responses": {
            "2XX": {"description": "The event is delivered. The body is ignored."},
            "410": {"description": "The endpoint is gone: nothing more of this event is sent."},
            "default": {"description": "The event is sent again later, after `Retry-After` if there is one."},
        },
    }
