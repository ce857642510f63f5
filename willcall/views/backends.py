"""Backends that refuse callbacks: they answer, but not with a 2xx, and a retry will not change that."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

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
    found: dict[tuple[str, int], RefusingBackend] = {}
    for (order_id, since), host, status in zip(
        oldest,
        stores.deliveries.hosts([order_id for order_id, _ in oldest]),
        stores.deliveries.last_answers([order_id for order_id, _ in oldest], _ATTEMPTS),
        strict=True,
    ):
        if host and status is not None and _is_refusal(status):
            first = found.get((host, status), RefusingBackend(host, status, 0, since, order_id))
            found[host, status] = RefusingBackend(host, status, first.count + 1, first.since, first.order_id)
    return list(found.values())


def _is_refusal(status: int) -> bool:
    return 400 <= status < 500 and status not in _TEMPORARY  # noqa: PLR2004 - the class of client errors
