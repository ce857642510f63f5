"""Drive the conversation of one attempt: send what the adapter asks for, and send it the answers.

The claim of the attempt includes the token of the first request. Each further one takes its own, and all of them have
`TIME` seconds. Where the tokens or the time end first, or the provider does not answer, the adapter returns what it
knows, and the next attempt asks for the rest.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from secrets import token_hex

import structlog

from willcall.http.messages import Address, Request, Response
from willcall.orders.outcomes import OUTCOME_NAMES, Outcome, Throttled, Unavailable
from willcall.orders.user_lists import Ownership
from willcall.providers.base import Account
from willcall.providers.conversations import Answer, Conversation, OwnershipRequest
from willcall.providers.reading import retry_after, status_outcome
from willcall.stores.bookings import BookingKind
from willcall.usecases.account_reports import report_throttle
from willcall.usecases.context import Context
from willcall.usecases.tokens import Token, return_token, take_token

log = structlog.get_logger(__name__)

#: Seconds for all further requests of an attempt, and for which one of them waits for its token.
TIME, _PATIENCE = 10.0, 5.0
#: Seconds, beyond the conversation, after which a worker counts as dead.
_LEASE_MARGIN = 5.0


@dataclass(slots=True)
class Transcript:
    """The responses of one conversation, by which it can be held again for another order of the same user.

    `retry_after`: the longest wait in seconds that a further response asked for.
    """

    first: Response = field(repr=False)
    further: dict[tuple[str, Address], Response] = field(default_factory=dict, repr=False)
    retry_after: float | None = None

    def answer(self, request: Request) -> Response | None:
        """Return the response that a further request had."""
        return self.further.get((request.method, request.address))

    def record(self, request: Request, response: Response) -> None:
        self.further[request.method, request.address] = response
        self.note_wait(retry_after(response))

    def note_wait(self, seconds: float | None) -> None:
        if seconds is not None:
            self.retry_after = max(self.retry_after or 0.0, seconds)


@dataclass(slots=True)
class FurtherRequests:
    """Sends the requests of an attempt after the first one, each with a token.

    `extend_lease` gives the attempt that many seconds more, and returns whether it still may continue. `clock` returns
    the server's time.
    """

    context: Context
    account: Account
    transcript: Transcript
    extend_lease: Callable[[float], bool]
    clock: Callable[[], float]
    user_bound: bool = False
    _booking: str = field(default_factory=lambda: f"ask-{token_hex(6)}")
    _until: float | None = None
    _ended: bool = False

    def send(self, request: Request) -> Response | None:
        """Return the response, or `None` from the first one on that could not be had."""
        known = self.transcript.answer(request)
        if known is not None or self._ended:
            return known
        response = self._exchange(request) if self._may_send(request) else None
        self._ended = response is None
        return response

    def _may_send(self, request: Request) -> bool:
        """Return whether the request may be sent now: to the provider itself, in time, and with a token."""
        if not self.account.is_own_url(request.url):
            log.warning("request to another host", account=self.account.key)
            return False
        if self._until is None:
            self._until = time.monotonic() + TIME
            if not self.extend_lease(TIME + self.account.http.total_timeout + _LEASE_MARGIN):
                return False
        patience = min(_PATIENCE, self._until - time.monotonic())
        if patience <= 0:
            return False
        token = take_token(
            self.context, self.account, BookingKind.LIST, self._booking, patience, user_bound=self.user_bound
        )
        if isinstance(token, Token):
            return True
        return_token(self.context, self.account, BookingKind.LIST, self._booking)
        return False

    def _exchange(self, request: Request) -> Response | None:
        response = self.context.exchange(self.account, request)
        if not isinstance(response, Response):
            self.transcript.note_wait(response.retry_after)
            return None
        response = replace(response, received_at=self.clock())
        self.transcript.record(request, response)
        outcome = status_outcome(response)
        if isinstance(outcome, Throttled):
            report_throttle(self.context, self.account, outcome.retry_after, response.received_at)
            return None
        return None if isinstance(outcome, Unavailable) else response


def hold(
    conversation: Conversation,
    first: Response,
    send: Callable[[Request], Response | None],
    find_owners: Callable[[Sequence[str]], Ownership],
) -> Outcome:
    """Hold a conversation, whose first request had the response `first`, and return its outcome."""
    next(conversation)
    answer: Answer = first
    while True:
        try:
            step = conversation.send(answer)
        except StopIteration as end:
            outcome: Outcome = end.value
            break
        answer = find_owners(sorted(step.keys)) if isinstance(step, OwnershipRequest) else send(step)
    if type(outcome) not in OUTCOME_NAMES:
        raise TypeError("an adapter must return one of the outcomes")
    return outcome


def first_request(conversation: Conversation) -> Request:
    """Return the request that begins a conversation. Nothing has been sent yet."""
    step = next(conversation)
    if not isinstance(step, Request):
        raise TypeError("a conversation begins with a request")
    return step
