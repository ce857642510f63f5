"""Conversations: the requests of one attempt, which an adapter yields, and the answers that it is sent.

An adapter does no I/O. It yields a request and is sent the response, as often as it needs, and returns one outcome:

    def converse(self, query, credentials, access_token):
        response = yield from fetch(self.status_request(query, credentials, access_token))
        for link in links_of(response):
            ticket = yield from fetch(Request("GET", link))
        return outcome

`willcall.usecases.ask` sends the requests, each with a token of its own.
"""

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from willcall.http.messages import Request, Response
from willcall.orders.outcomes import Outcome
from willcall.orders.user_lists import Ownership

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OwnershipRequest:
    """Asks which orders own the tickets with these keys (see `orders.user_lists.ticket_keys`)."""

    keys: frozenset[str] = field(repr=False)


Step = Request | OwnershipRequest
#: `None`: the request was not sent, or had no usable response, and no further one is sent in this attempt.
Answer = Response | Ownership | None
Conversation = Generator[Step, Answer, Outcome]


def fetch(request: Request) -> Generator[Step, Answer, Response | None]:
    """Send a request and return its response, or `None`."""
    answer = yield request
    return answer if isinstance(answer, Response) else None


def in_turn(parts: Iterable[Generator[Step, Answer, T]]) -> Generator[Step, Answer, list[T]]:
    """Hold parts of a conversation one after the other, and return their results."""
    results = []
    for part in parts:
        result = yield from part
        results.append(result)
    return results


def first_answer_only(conversation: Conversation, response: Response, owners: Ownership) -> Outcome:
    """Hold a conversation of which only the first response is known."""
    next(conversation)
    return _without_answers(conversation, response, owners)


def without_answers(conversation: Conversation) -> Outcome:
    """Hold the rest of a conversation without any further response."""
    return _without_answers(conversation, None, Ownership())


def _without_answers(conversation: Conversation, answer: Answer, owners: Ownership) -> Outcome:
    try:
        while True:
            step = conversation.send(answer)
            answer = owners if isinstance(step, OwnershipRequest) else None
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome


def find_owners(keys: frozenset[str]) -> Generator[Step, Answer, Ownership]:
    """Return which orders own tickets of a user's list."""
    answer = yield OwnershipRequest(keys)
    return answer if isinstance(answer, Ownership) else Ownership()
