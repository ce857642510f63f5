"""Hold an adapter's conversation with recorded responses."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.contract.credentials import TABLES
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Outcome
from willcall.orders.user_lists import Ownership
from willcall.providers.base import OrderQuery
from willcall.providers.reading import with_retry_after
from willcall.providers.registry import ADAPTERS
from willcall.usecases.conversations import hold


def outcome_of(
    name: str,
    query: OrderQuery,
    response: Response,
    *,
    kind: int = 0,
    further: Mapping[str, Any] | None = None,
) -> Outcome:
    """Return the outcome of a conversation that begins with a response.

    `further`: the JSON of later responses by the path of the request, or `None` for no response. Any other request gets
    a 404.
    """
    adapter, answers = ADAPTERS[name], further or {}
    credentials = adapter.credentials.model_validate(TABLES[name][kind])

    def send(request: Request) -> Response | None:
        path = urlsplit(request.url).path
        if path not in answers:
            return Response(404, {}, b"", response.received_at)
        if answers[path] is None:
            return None
        return Response(200, {}, _bytes(answers[path]), response.received_at)

    conversation = adapter.converse(query, credentials, None)
    outcome = hold(conversation, response, send, lambda _keys: Ownership())
    return with_retry_after(outcome, response)


def _bytes(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else json.dumps(value).encode()
