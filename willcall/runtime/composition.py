"""Build what use cases work with from the configuration, for workers, beat, the API and commands alike."""

from random import SystemRandom

from willcall.config import Config
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
        outbound=OutboundClient(AddressGuard(settings.outbound.allow)),
        documents=DocumentStore(connect(url, timeout=redis_timeout), settings.documents_url),
        sender=sender,
        rng=SystemRandom(),
        meters=PrometheusMeters(config.accounts),
    )
