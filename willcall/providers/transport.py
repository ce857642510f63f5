"""Send requests to providers, and turn a missing response into an outcome."""

import time
from collections.abc import Callable

from willcall.http.client import HttpClient, IncomingResponse
from willcall.http.errors import ConnectError, ExchangeError, UnusableBodyError
from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Malformed, Unavailable
from willcall.orders.retry_after import retry_after_from
from willcall.providers.base import Account
from willcall.providers.implausible_hints import ImplausibleHints

_OK = 200


class ProviderTransport:
    """Sends requests to providers. Threads may share it.

    `clock` gives epoch seconds for `Response.received_at`.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._client = HttpClient(accept="application/json", accept_encoding="gzip")
        self._hints = ImplausibleHints()

    def exchange(self, account: Account, request: Request) -> Response | Unavailable | Malformed:
        """Return the provider's response, or the outcome if it is missing or incomplete. Redirects are not followed.

        Raises ValueError for a request that cannot be sent, which is a bug.
        """
        budget = self._client.budget(account.http)
        try:
            with self._client.send(request, account.http, budget, account.route) as incoming:
                return self._read(incoming, account)
        except ConnectError as error:
            return Unavailable(request_sent=False, detail=str(error))
        except ExchangeError as error:
            return Unavailable(detail=str(error))

    def close(self) -> None:
        """Close all idle connections; one in use is closed when its exchange ends."""
        self._client.close()

    def _read(self, incoming: IncomingResponse, account: Account) -> Response | Unavailable | Malformed:
        """Read the body. If it cannot be read, a response other than 200 still counts, by its status and headers."""
        failure, body = None, b""
        try:
            body = b"".join(incoming.chunks(account.http.max_bytes))
        except ExchangeError as error:
            failure = error
        now = self._clock()
        hint = retry_after_from(incoming.headers, now)
        if hint:
            self._hints.check(account.key, hint, now)
        if failure is None or incoming.status != _OK:
            return Response(incoming.status, incoming.headers, body, received_at=now)
        outcome = Malformed if isinstance(failure, UnusableBodyError) else Unavailable
        return outcome(detail=str(failure), retry_after=hint.seconds if hint else None)
