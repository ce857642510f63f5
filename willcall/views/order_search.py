"""Find orders by what was submitted: a part of the id or reference, metadata, the host of the callback URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from willcall.config.settings import Settings
from willcall.orders.urls import callback_host
from willcall.providers.registry import is_secret_reference


@dataclass(frozen=True, slots=True)
class SubmissionSearch:
    """Which orders to list by what was submitted; a `willcall.stores.listing.SubmissionFilter`.

    `text`: a part of the id or of the reference, in any case. References that grant access to tickets are not searched.
    `metadata`: entries that the order has. `host`: where its events are sent, with or without the port.
    """

    settings: Settings
    text: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    host: str | None = None

    def matches(self, order_id: str, provider: str, submitted: Mapping[str, Any]) -> bool:
        return (
            self._has_text(order_id, provider, submitted.get("reference", ""))
            and self._has_metadata(submitted.get("metadata", {}))
            and self._has_host(submitted)
        )

    def _has_text(self, order_id: str, provider: str, reference: str) -> bool:
        if self.text is None:
            return True
        text = self.text.casefold()
        in_reference = text in reference.casefold() and not is_secret_reference(provider, reference)
        return text in order_id.casefold() or in_reference

    def _has_metadata(self, metadata: Mapping[str, str]) -> bool:
        return all(metadata.get(name) == value for name, value in self.metadata)

    def _has_host(self, submitted: Mapping[str, Any]) -> bool:
        if self.host is None:
            return True
        url = submitted and self.settings.callback_url(submitted.get("client"), submitted.get("callback_url"))
        host = callback_host(url) if url else ""
        return self.host.lower() in {host, host.rpartition(":")[0]} - {""}


def submission_search(
    settings: Settings, text: str | None, metadata: Mapping[str, str], host: str | None
) -> SubmissionSearch | None:
    """Return the search, or `None` if nothing is searched for."""
    if text is None and host is None and not metadata:
        return None
    return SubmissionSearch(settings, text, tuple(metadata.items()), host)
