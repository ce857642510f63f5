"""Backends that refuse callbacks: they answer, but not with a 2xx, and a retry will not change that."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

from willcall.stores.deliveries import DeliveryAttempt
from willcall.stores.registry import Stores

#: Deliveries that are looked at, the ones that have waited longest.
_LOOKED_AT = 100
#: Attempts after which a refusal counts: the second one follows the first after 5 seconds.
_ATTEMPTS = 2
#: 4xx statuses that a later attempt may well not get.
_TEMPORARY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


@dataclass(frozen=True, slots=True)
class RefusingBackend:
    """A host that refuses callbacks of `count` orders at least, since a moment (epoch seconds); `order_id` is one."""

    host: str
    http_status: int
    count: int
    since: float
    order_id: str


def refusing_backends(stores: Stores) -> Sequence[RefusingBackend]:
    """Return the hosts whose last answers are refusals, the earliest first."""
    oldest = stores.deliveries.oldest(_LOOKED_AT)
    ids = [order_id for order_id, _ in oldest]
    hosts, attempts = stores.deliveries.hosts(ids), stores.deliveries.latest_attempts(ids, _ATTEMPTS)
    found: dict[tuple[str, int], RefusingBackend] = {}
    for (order_id, since), host, made in zip(oldest, hosts, attempts, strict=True):
        status = _refusal(made)
        if host and status is not None:
            first = found.get((host, status), RefusingBackend(host, status, 0, since, order_id))
            found[host, status] = replace(first, count=first.count + 1)
    return list(found.values())


def _refusal(made: Sequence[DeliveryAttempt]) -> int | None:
    """Return the status with which each of the last attempts was refused, or `None`."""
    statuses = {attempt.http_status or 0 for attempt in made}
    if len(made) < _ATTEMPTS or len(statuses) > 1:
        return None
    status = statuses.pop()
    return status if 400 <= status < 500 and status not in _TEMPORARY else None  # noqa: PLR2004 - client errors
