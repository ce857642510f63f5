"""All providers: the one place that names the adapters."""

from collections.abc import Mapping

from willcall.providers.adapters import funtrips, paylogic, tiqets, tixstock, voordemensen
from willcall.providers.base import Adapter

_ALL: tuple[Adapter, ...] = (
    funtrips.ADAPTER,
    tiqets.ADAPTER,
    tixstock.ADAPTER,
    voordemensen.ADAPTER,
    paylogic.ADAPTER,
)

#: Each adapter by the provider's name in config, orders and paths.
ADAPTERS: Mapping[str, Adapter] = {one.name: one for one in _ALL}


def adapter(name: str) -> Adapter:
    """The adapter of a provider; raises LookupError, with the names there are, for any other word."""
    try:
        return ADAPTERS[name]
    except KeyError:
        raise LookupError(f"no such provider; there are {', '.join(ADAPTERS)}") from None
