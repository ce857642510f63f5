"""All stores of a process."""

from dataclasses import dataclass

from willcall.stores.accounts import AccountStore
from willcall.stores.changes import ChangeStore
from willcall.stores.checkouts import CheckoutStore
from willcall.stores.commits import CommitStore
from willcall.stores.connection import SOCKET_TIMEOUT, connect
from willcall.stores.credentials import CredentialStore
from willcall.stores.dead_letters import DeadLetterStore
from willcall.stores.deliveries import OPERATORS, DeliveryStore
from willcall.stores.document_fetches import DocumentFetchStore
from willcall.stores.erasure import ErasureStore
from willcall.stores.events import EventStore
from willcall.stores.history import HistoryStore
from willcall.stores.inbox import Inbox
from willcall.stores.leases import LeaseStore
from willcall.stores.listing import OrderListing
from willcall.stores.lookups import LookupStore
from willcall.stores.oauth import OAuthStore
from willcall.stores.operator_events import OperatorEventStore
from willcall.stores.orders import OrderStore
from willcall.stores.polls import PollStore
from willcall.stores.processes import ProcessStore
from willcall.stores.provider_reports import ProviderReportStore
from willcall.stores.rejected_webhooks import RejectedWebhookStore
from willcall.stores.schedule import ScheduleStore
from willcall.stores.schema import SchemaStore
from willcall.stores.sessions import SessionStore
from willcall.stores.stats import StatsStore
from willcall.stores.submissions import SubmissionStore
from willcall.stores.sweeps import SweepStore


@dataclass(frozen=True, slots=True)
class Stores:
    """One store per subject, all over the same Redis."""

    orders: OrderStore
    submissions: SubmissionStore
    schedule: ScheduleStore
    polls: PollStore
    commits: CommitStore
    changes: ChangeStore
    listing: OrderListing
    accounts: AccountStore
    oauth: OAuthStore
    events: EventStore
    deliveries: DeliveryStore
    ops: OperatorEventStore
    ops_deliveries: DeliveryStore
    leases: LeaseStore
    fetches: DocumentFetchStore
    inbox: Inbox
    stats: StatsStore
    sessions: SessionStore
    processes: ProcessStore
    sweeps: SweepStore
    dead_letters: DeadLetterStore
    history: HistoryStore
    lookups: LookupStore
    erasure: ErasureStore
    credentials: CredentialStore
    checkouts: CheckoutStore
    reports: ProviderReportStore
    rejected_webhooks: RejectedWebhookStore
    schema: SchemaStore

    @classmethod
    def connect(cls, url: str, timeout: float = SOCKET_TIMEOUT, retries: int = 1) -> "Stores":
        """Return the stores at `url`; Redis counts as unavailable after `timeout` seconds of silence and `retries`."""
        redis, patient = connect(url, timeout=timeout, retries=retries), connect(url, patient=True)
        orders = OrderStore(redis)
        return cls(
            orders=orders,
            submissions=SubmissionStore(redis),
            checkouts=CheckoutStore(redis, patient),
            schedule=ScheduleStore(redis),
            polls=PollStore(redis),
            commits=CommitStore(patient),
            changes=ChangeStore(redis),
            listing=OrderListing(redis, orders),
            accounts=AccountStore(redis, patient),
            oauth=OAuthStore(redis),
            events=EventStore(redis),
            deliveries=DeliveryStore(redis, patient),
            ops=OperatorEventStore(redis),
            ops_deliveries=DeliveryStore(redis, patient, OPERATORS),
            leases=LeaseStore(redis),
            fetches=DocumentFetchStore(redis),
            inbox=Inbox(redis),
            stats=StatsStore(redis),
            sessions=SessionStore(redis),
            processes=ProcessStore(redis),
            sweeps=SweepStore(redis),
            dead_letters=DeadLetterStore(redis),
            history=HistoryStore(redis),
            lookups=LookupStore(redis),
            erasure=ErasureStore(redis),
            credentials=CredentialStore(redis),
            reports=ProviderReportStore(redis),
            rejected_webhooks=RejectedWebhookStore(redis),
            schema=SchemaStore(redis),
        )
