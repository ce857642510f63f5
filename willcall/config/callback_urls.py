"""Check that events can be sent to the addresses in the configuration."""

from collections.abc import Iterator

from willcall.config.settings import Settings
from willcall.http.address_guard import AddressGuard
from willcall.http.urls import escape
from willcall.orders.errors import FieldError


def callback_url_errors(settings: Settings) -> Iterator[FieldError]:
    """Yield an error for each callback URL in a private network that is not allowed."""
    guard = AddressGuard(settings.outbound.allow)
    urls = {"notify.callback_url": settings.notify.callback_url}
    urls |= {f"api.clients.{name}.callback_url": client.callback_url for name, client in settings.api.clients.items()}
    for path, url in urls.items():
        why = guard.refusal_in_advance(escape(url)) if url else None
        if why:
            yield FieldError(path, why)
