"""What an adapter says of the parts of the protocol that its provider does not have."""

from collections.abc import Mapping
from typing import ClassVar

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Unavailable
from willcall.providers.base import ListedOrder, OrderQuery
from willcall.providers.pushes import Pushes


class NoOAuth:
    """A provider whose credentials go into each request as they are: no access token to fetch."""

    def token_requests(self, credentials: object) -> Mapping[str, Request]:  # noqa: ARG002 - the protocol's signature
        """There are none."""
        return {}

    def read_token(self, answer: Response) -> Unavailable:  # noqa: ARG002 - the protocol's signature
        """Nobody asked, so whatever came back is not a token."""
        return Unavailable(request_sent=False, detail="this provider has no access tokens")


class NoList:
    """A provider that cannot list orders for reconciliation."""

    def list_request(self, credentials: object, access_token: str | None, since: float) -> None:
        """There is none."""

    def read_list(self, answer: Response) -> list[ListedOrder]:  # noqa: ARG002 - the protocol's signature
        """Nobody asked, so nothing is listed."""
        return []


class NoSecretReferences:
    """A provider that shows an order to nobody who knows its reference alone."""

    def reference_is_secret(self, reference: str) -> bool:  # noqa: ARG002 - the protocol's signature
        """It may be shown to people."""
        return False


class NoUserLists:
    """A provider whose references each name one order."""

    user_references: ClassVar[tuple[str, ...]] = ()

    def listed_ticket_keys(self, question: OrderQuery, answer: Response) -> frozenset[str]:  # noqa: ARG002 - the protocol's
        """Nobody asked, so nothing is listed."""
        return frozenset()


class NoPushes:
    """A provider that does not call back."""

    pushes: ClassVar[Pushes | None] = None
