"""Build what use cases work with from the configuration, for workers, beat, the API and commands alike."""

from dataclasses import replace
from random import SystemRandom

from willcall.config import Config, Settings
from willcall.http.address_guard import AddressGuard
from willcall.http.outbound import OutboundClient
from willcall.providers.transport import ProviderTransport
from willcall.runtime.meters import PrometheusMeters
from willcall.stores.connection import SOCKET_TIMEOUT, connect
from willcall.stores.documents import DocumentStore
from willcall.stores.registry import Stores
from willcall.usecases.context import Context
from willcall.usecases.ports import Sender


def build_context(config: Config, sender: Sender, redis_timeout: float = SOCKET_TIMEOUT) -> Context:
    """Return the context of this process; Redis counts as unavailable after `redis_timeout` seconds of silence."""
    settings, url = config.settings, config.settings.redis_url
    return Context(
        settings=settings,
        accounts=config.accounts,
        stores=Stores.connect(url, redis_timeout),
        http=ProviderTransport(),
        outbound=_outbound_client(settings),
        documents=DocumentStore(connect(url, timeout=redis_timeout), settings.documents_url),
        sender=sender,
        rng=SystemRandom(),
        meters=PrometheusMeters(config.accounts),
    )


def change_context(context: Context, config: Config) -> Context:
    """Return a context with another configuration. Work in progress keeps the old one to its end."""
    settings = config.settings
    same = settings.outbound == context.settings.outbound
    outbound = context.outbound if same else _outbound_client(settings)
    return replace(context, settings=settings, accounts=config.accounts, outbound=outbound)


def _outbound_client(settings: Settings) -> OutboundClient:
    return OutboundClient(AddressGuard(settings.outbound.allow), route=settings.outbound.route)
