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
