"""The five providers, by name. Each knows its paths, credentials and forms, and nothing of the others."""

from simulator.providers.base import Provider
from simulator.providers.funtrips import Funtrips
from simulator.providers.paylogic import Paylogic
from simulator.providers.tiqets import Tiqets
from simulator.providers.tixstock import Tixstock
from simulator.providers.voordemensen import Voordemensen
from simulator.script import ProviderName

REGISTRY: dict[ProviderName, Provider] = {
    provider.name: provider for provider in (Funtrips(), Tiqets(), Tixstock(), Voordemensen(), Paylogic())
}
