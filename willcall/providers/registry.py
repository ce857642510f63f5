"""All providers: the one place that names the adapters."""

from collections.abc import Mapping

from willcall.providers import funtrips, paylogic, tiqets, tixstock, voordemensen
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


def is_secret_reference(provider: str, reference: str) -> bool:
    """Return whether a reference grants access to the tickets, as far as is known: an unknown provider's may."""
    adapter = ADAPTERS.get(provider)
    return adapter is None or adapter.reference_is_secret(reference)
