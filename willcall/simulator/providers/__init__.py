"""The simulated providers, by name. Each is independent of the others."""

from willcall.simulator.providers.base import Provider
from willcall.simulator.providers.funtrips import Funtrips
from willcall.simulator.providers.paylogic import Paylogic
from willcall.simulator.providers.tiqets import Tiqets
from willcall.simulator.providers.tixstock import Tixstock
from willcall.simulator.providers.voordemensen import Voordemensen
from willcall.simulator.script import ProviderName

REGISTRY: dict[ProviderName, Provider] = {
    provider.name: provider for provider in (Funtrips(), Tiqets(), Tixstock(), Voordemensen(), Paylogic())
}
