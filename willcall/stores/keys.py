"""Every Redis key: its type, its content, and when it expires.

Times in Redis are whole milliseconds since the epoch. A key without a stated lifetime is bounded by the number of
orders and accounts. The `prune` sweep removes the keys of an order after its retention. Nothing expires while it
is needed.

An order's id may contain colons, so it is always at the end of a key. That way no id can produce the key of another
order.
"""

from collections.abc import Iterable

PREFIX = "willcall:"

# Orders

#: Set: keys of the accounts that ever had an order.
ACCOUNTS = PREFIX + "accounts"
#: Counter of submissions. Its value is an order's score in the status indexes, so that lists are newest first.
SUBMISSIONS = PREFIX + "submissions"
#: Set: names of the clients that ever had an order.
CLIENTS = PREFIX + "clients"
#: Prefix of the keys of `attention`.
ATTENTION = PREFIX + "attention:"
#: Sorted set: final orders by when they ended or their event is, whichever is later, for the `prune` sweep.
FINAL = PREFIX + "final"
#: Sorted set: expired orders by their next late check, for the `reconcile` sweep.
LATE = PREFIX + "late"
#: Sorted set: orders with credentials of their own user, by deadline, for the `prune` sweep.
CREDENTIALS = PREFIX + "credentials"
#: Sorted set: `[account key, reference]` that pushes are stored for, by when these expire.
INBOX = PREFIX + "inbox"


def order(order_id: str) -> str:
    """Hash: the mutable state of an order. All values are short, which keeps it a compact listpack."""
    return f"{PREFIX}order:{order_id}"


def spec(order_id: str) -> str:
    """String: what was submitted (JSON). It never changes."""
    return f"{PREFIX}spec:{order_id}"


def credentials(order_id: str) -> str:
    """String: the credentials of an order's own user (JSON). Removed when the order is final and has its documents."""
    return f"{PREFIX}credentials:{order_id}"


def checkout(order_id: str) -> str:
    """Hash: the checkout of an order; see `lua/claim_checkout.lua`."""
    return f"{PREFIX}checkout:{order_id}"


#: Sorted set: checkouts whose order is not submitted yet, by when their call counts as dead (ms).
CHECKOUTS = f"{PREFIX}checkouts"


def checkout_return(account_key: str, digest: str) -> str:
    """String: the order whose customer comes back with a reference, by the digest of that."""
    return f"{PREFIX}return:{account_key}:{digest}"


def tickets(order_id: str) -> str:
    """String: the order's tickets (JSON). Absent while there are none."""
    return f"{PREFIX}tickets:{order_id}"


def attempts(order_id: str) -> str:
    """List: the timeline, newest first, at most `commits.TIMELINE` entries."""
    return f"{PREFIX}attempts:{order_id}"


def index(account_key: str, status: str, client: str | None = None) -> str:
    """Sorted set: an account's orders of one status, by submission number.

    With `client`, only those of a client, by the client's own submission number.
    """
    return f"{PREFIX}index:{_of_client(client)}{account_key}:{status}"


def attention(account_key: str, reason: str, client: str | None = None) -> str:
    """Sorted set: an account's orders that need attention for one reason, by submission number.

    With `client`, only those of a client, by the client's own submission number.
    """
    return f"{ATTENTION}{_of_client(client)}{account_key}:{reason}"


def by_event(account_key: str, *, is_open: bool, client: str | None = None) -> str:
    """Sorted set: an account's open or final orders by their event, as `<ms, 16 digits>:<id>` (`lua/dated_lists.lua`).

    With `client`, only those of a client. Release 0.2.0 does not maintain it, so an order may have ended meanwhile.
    """
    return f"{PREFIX}by_event:{_of_client(client)}{account_key}:{'open' if is_open else 'final'}"


def by_change(account_key: str, client: str | None = None) -> str:
    """Sorted set: an account's orders by their last change, in the same form. With `client`, only those of a client."""
    return f"{PREFIX}by_change:{_of_client(client)}{account_key}"


def group(name: str, client: str | None = None) -> str:
    """Sorted set: orders that were submitted with one `group`, by submission number.

    With `client`, only those of a client, by the client's own submission number.
    """
    return f"{PREFIX}client:{client}:group:{name}" if client else f"{PREFIX}group:{name}"


def client_accounts(client: str) -> str:
    """Set: keys of the accounts that ever had an order of a client."""
    return f"{PREFIX}client:{client}:accounts"


def client_submissions(client: str) -> str:
    """Counter of a client's submissions. Cursors are made of it, and so tell nothing about other clients."""
    return f"{PREFIX}client:{client}:submissions"


def _of_client(client: str | None) -> str:
    """Return how a key begins that is only for a client. Its name has no slash, other than the key of an account."""
    return f"{client}:" if client else ""


def references(account_key: str) -> str:
    """Hash: the provider's reference -> the id of the order last submitted with it."""
    return f"{PREFIX}references:{account_key}"


def sharing(account_key: str, digest: str) -> str:
    """Set: orders of one reference, which share the minimum interval. Each is removed with its order.

    `digest`: of the reference (see `codec.reference_digest`); the order has it as `sharing`.
    """
    return f"{PREFIX}sharing:{account_key}:{digest}"


def shared_interval(scope: str, digest: str) -> str:
    """String: one of these orders was polled. Expires when the next of them may be.

    `scope`: the account's key, or what accounts have in common; see `providers.base.Account.interval_scope`.
    """
    return f"{PREFIX}shared_interval:{scope}:{digest}"


def ticket_owners(account_key: str) -> str:
    """Hash: digest of a ticket -> the order that owns it. Each field is removed with its order.

    Only for accounts with references that list everything a user ever bought (see `lua/ticket_owners.lua`).
    """
    return f"{PREFIX}owners:{account_key}"


def owned_tickets(order_id: str) -> str:
    """Set: the fields of `ticket_owners` that belong to an order."""
    return f"{PREFIX}owned:{order_id}"


def pushes_ahead(account_key: str, reference: str) -> str:
    """Hash: digest -> a push that arrived before its order. Expires `inbox.LIFETIME` after the last one."""
    return f"{PREFIX}inbox:{account_key}:{reference}"


def applied_push(account_key: str, digest: str) -> str:
    """String: the order that a push was applied to. Expires after the retention of that order, at the earliest."""
    return f"{PREFIX}applied:{account_key}:{digest}"


# Schedule of an account


def due(account_key: str) -> str:
    """Sorted set: an account's orders by when they are due. The source of truth of the poll chain."""
    return f"{PREFIX}due:{account_key}"


def watched(account_key: str) -> str:
    """Sorted set: an account's orders with an event to come, by when the `watch` sweep looks at them next."""
    return f"{PREFIX}watched:{account_key}"


def held(account_key: str) -> str:
    """Sorted set: orders that wait for a stopped account, by deadline (late checks last)."""
    return f"{PREFIX}held:{account_key}"


def progress(account_key: str) -> str:
    """Hash: progress of the workers in the poll queue of an account's provider."""
    return f"{PREFIX}progress:{account_key.partition('/')[0]}"


def account(account_key: str) -> str:
    """Hash: an account's health and pause."""
    return f"{PREFIX}account:{account_key}"


def throttled(account_key: str) -> str:
    """Set: orders whose hint is the account's throttle, so that an operator can end the throttle for all of them."""
    return f"{PREFIX}throttled:{account_key}"


def lookup(account_key: str, digest: str) -> str:
    """String: no look at a reference (by its digest) may be sent. Expires when one may be again."""
    return f"{PREFIX}lookup:{account_key}:{digest}"


def list_wait(account_key: str) -> str:
    """String: the account's list of orders is not requested. Expires when it may be again."""
    return f"{PREFIX}list:{account_key}:wait"


# Token buckets, each of one account or shared by several (see `orders.policy.Rate.bucket`)


def tokens(bucket: str) -> str:
    """Hash: a token bucket (see `lua/bucket.lua`). Expires a day after its last booked slot."""
    return f"{PREFIX}tokens:{bucket}"


def bookings(bucket: str) -> str:
    """Sorted set: the ordinary lane, bookings by slot less the bucket's shift. Expires with the bucket."""
    return f"{PREFIX}bookings:{bucket}"


def express_bookings(bucket: str) -> str:
    """Sorted set: the express lane. Expires with the bucket."""
    return f"{PREFIX}express:{bucket}"


def late_bookings(bucket: str) -> str:
    """Sorted set: the late lane. Expires with the bucket."""
    return f"{PREFIX}late_bookings:{bucket}"


def stranded(bucket: str) -> str:
    """Sorted set: orders without a slot before their deadline, by deadline. They get slots that others return."""
    return f"{PREFIX}stranded:{bucket}"


def urgent(bucket: str) -> str:
    """Sorted set: bookings that may take an earlier slot, by rank (see `lua/urgency.lua`). Expires with the bucket."""
    return f"{PREFIX}urgent:{bucket}"


# OAuth of an account


def oauth(account_key: str) -> str:
    """Hash: the account's access token, shared by all workers. Expires with the token."""
    return f"{PREFIX}oauth:{account_key}"


def oauth_auth_method(account_key: str) -> str:
    """String: the authentication method that the token endpoint accepted last."""
    return f"{PREFIX}oauth:{account_key}:dialect"


def oauth_wait(account_key: str) -> str:
    """String: no token is requested. Expires when one may be again."""
    return f"{PREFIX}oauth:{account_key}:wait"


def oauth_lock(account_key: str) -> str:
    """String: a worker is requesting a token. Expires after the longest such request."""
    return f"{PREFIX}oauth:{account_key}:lock"


# Documents

#: Sorted set: orders whose tickets lack documents, by their next fetch.
FETCHES_DUE = PREFIX + "fetches"
#: Sorted set: the same orders, by since when their documents are to be fetched.
FETCHES_PENDING = PREFIX + "lacking"
#: Sorted set: orders with documents that are no longer tried, by since when.
DOCUMENTS_GIVEN_UP = PREFIX + "documents-given-up"
#: Sorted set: documents of accounts that no order has claimed, by when they were stored, for the `prune` sweep.
UNCLAIMED_DOCUMENTS = PREFIX + "unclaimed"
#: Set: documents of removed orders, whose files the `prune` sweep removes.
ORPHANED_DOCUMENTS = PREFIX + "forgotten"


def fetch(order_id: str) -> str:
    """Hash: the fetch of an order's documents: its claim, since when, how many tries, why they failed."""
    return f"{PREFIX}fetch:{order_id}"


#: String: since when the document store has been full (epoch seconds). The next stored document removes it.
DOCUMENTS_FULL = PREFIX + "documents_full"


def document(document_id: str) -> str:
    """Hash: the metadata of a stored file. Removed with its owner."""
    return f"{PREFIX}document:{document_id}"


def documents(owner: str) -> str:
    """Hash: SHA-256 of the content -> document id, for the documents of an order or an account."""
    return f"{PREFIX}documents:{owner}"


# Reports to providers of how orders ended

#: Sorted set: orders whose end is to be reported to their provider, by the next try.
REPORTS_DUE = PREFIX + "reports"
#: Sorted set: the same orders, by when they ended.
REPORTS_PENDING = PREFIX + "reports_pending"


def report(order_id: str) -> str:
    """Hash: the report of an order: its status, since when, how many tries, and a fence. Removed once it is sent."""
    return f"{PREFIX}report:{order_id}"


# Events and their deliveries

#: Stream: the events of the feed and of callbacks. Trimmed by the `prune` sweep after `retention.events`.
EVENTS = PREFIX + "events"
#: Sorted set: orders with an undelivered event, by the next attempt.
DELIVERIES_DUE = PREFIX + "undelivered"
#: Sorted set: the same orders, by since when: the time of the event, or of the request to redeliver it.
DELIVERIES_PENDING = PREFIX + "pending"
#: Sorted set: orders whose changes are to be looked at, by when: at once, or when they may be at risk or need not wait
#: for documents any longer. An entry is only a reason to look; the order decides.
CHANGES = PREFIX + "changes"
#: String: the settings that the times in `CHANGES` follow from.
CHANGES_SETTINGS = PREFIX + "changes:settings"
#: Hash: progress of the workers with deliveries.
DELIVERY_PROGRESS = PREFIX + "notifier"

#: Stream: events for operators, bounded (see `lua/alert.lua`). Not in the feed.
OPERATOR_EVENTS = PREFIX + "ops:events"
#: The same three keys for operators, by the subject of the event.
OPERATOR_DELIVERIES_DUE = PREFIX + "ops:undelivered"
OPERATOR_DELIVERIES_PENDING = PREFIX + "ops:pending"
OPERATOR_DELIVERY_PROGRESS = PREFIX + "ops:notifier"


def client_events(client: str) -> str:
    """Stream: where in `EVENTS` a client's events are (`cursor`). Trimmed like that stream."""
    return f"{PREFIX}client:{client}:events"


def delivery(order_id: str) -> str:
    """Hash: the delivery of an order's latest event, with the event's data until it is delivered.

    Perhaps with a later event behind it (see `lua/queue_delivery.lua`).
    """
    return f"{PREFIX}delivery:{order_id}"


def delivery_attempts(order_id: str) -> str:
    """List: attempts to deliver the order's events, newest first, at most `deliveries.MOST_ATTEMPTS`."""
    return f"{PREFIX}deliveries:{order_id}"


def operator_delivery(subject: str) -> str:
    """Hash: the delivery of a subject's latest event to operators. That of an order is removed with the order."""
    return f"{PREFIX}ops:delivery:{subject}"


def operator_delivery_attempts(subject: str) -> str:
    """List: attempts to deliver a subject's events to operators, newest first. Removed with the delivery."""
    return f"{PREFIX}ops:deliveries:{subject}"


# Erased orders, of which the id, times and outcomes stay

#: Sorted set: erased orders by when their files are removed once more, for the `prune` sweep.
ERASED = PREFIX + "erased"
#: Sorted set: the events of erased orders without their content, by their time; `EVENTS` has them no more.
ERASED_EVENTS = PREFIX + "erased_events"
#: Sorted set: keyed hashes of accounts and references, by when their order was erased. Their pushes are refused.
#: Trimmed by the `prune` sweep after `retention.orders`.
ERASED_REFERENCES = PREFIX + "erased_references"
#: String: the random key of these hashes, made with the first erasure.
ERASURE_KEY = PREFIX + "erasure_key"


def erased_files(order_id: str) -> str:
    """Set: `<document id> <content type>` of the files of an erased order, until they are removed for good."""
    return f"{PREFIX}erased_files:{order_id}"


# Processes, sweeps and sessions

#: Sorted set: `<kind>:<name>` of each process, by its last heartbeat.
PROCESSES = PREFIX + "processes"
#: Sorted set: the same of processes that disappeared and were not replaced.
LOST_PROCESSES = PREFIX + "processes:lost"
#: Hash: kind of process -> the last heartbeat of any of that kind (JSON).
LAST_HEARTBEATS = PREFIX + "last_signs"
#: Hash: the number of the highest schema that was written, and the least one that reads it (see `schema.py`).
SCHEMA = PREFIX + "schema"
#: Hash: `id`, random, set when the first process starts on an empty Redis; `replaced_at`, when a process last found a
#: different id.
STATE = PREFIX + "state"
#: Hash: `at`, when all processes were last asked to take their configuration anew, and `by`, where that was asked.
RELOAD = PREFIX + "reload"
#: Hash: name of a sweep -> its last run (JSON).
SWEEPS = PREFIX + "sweeps"
#: Hash: name of a sweep -> where its last run stopped for lack of time.
SWEEP_POSITIONS = PREFIX + "sweeps:positions"
#: String: written to check that Redis takes writes. Expires after a second.
PROBE = PREFIX + "probe"


def process(kind: str, name: str) -> str:
    """Hash: a running process: since when, details, the state of its configuration (JSON).

    Expires `processes.FORGOTTEN_AFTER` its last heartbeat.
    """
    return f"{PREFIX}process:{kind}:{name}"


def sweep_failures(name: str) -> str:
    """Hash: item -> how often a sweep failed at it, and until when it skips it (JSON).

    Expires `sweeps.FAILURES_KEPT` after the last failure.
    """
    return f"{PREFIX}sweep:{name}:failing"


def lease(name: str) -> str:
    """String: the lease of a running sweep. Expires unless the run renews it."""
    return f"{PREFIX}lease:{name}"


def ended_session(session_id: str) -> str:
    """String: an operator logged out of a session. Expires when the session would have."""
    return f"{PREFIX}ended_session:{session_id}"


def rejected_webhooks(account_key: str) -> str:
    """Hash: webhooks of an account that were rejected since the last accepted one.

    Expires `rejected_webhooks.REMEMBERED` after the last of them.
    """
    return f"{PREFIX}rejected_webhooks:{account_key}"


#: Hash: account and reason -> how many webhooks were rejected so far.
REJECTED_WEBHOOK_COUNTS = PREFIX + "rejected_webhooks"


def history(account_key: str | None) -> str:
    """List: who did what with an account, or with the whole installation; newest first, `history.KEPT` of them."""
    return f"{PREFIX}history:{account_key or 'installation'}"


# Statistics

#: Seconds for which counters are stored: those of a minute for an hour, those of an hour for two days.
MINUTE_KEPT, HOUR_KEPT = 3_600, 50 * 3_600


def stats_minute(minute: int | str) -> str:
    """Hash: `counter` -> commits in a minute (since the epoch). Expires after `MINUTE_KEPT`."""
    return f"{PREFIX}stats:minute:{minute}"


def stats_hour(hour: int | str) -> str:
    """Hash: the same in an hour (since the epoch). Expires after `HOUR_KEPT`."""
    return f"{PREFIX}stats:hour:{hour}"


def counter(account_key: str, measures: Iterable[str]) -> str:
    """Return the field of these hashes that counts one set of measures, so that a commit increments one field."""
    return f"{account_key}|{' '.join(measures)}"


def read_counter(counter: str) -> tuple[str, list[str]]:
    """Return the account key and the measures of a counter."""
    account_key, _, measures = counter.rpartition("|")
    return account_key, measures.split(" ")


# Messages

#: Prefix of the broker's keys, except for the queues' lists, which are named like their queues.
BROKER = PREFIX + "broker:"
#: Hash: tag of a claimed message -> its list and itself. Sorted set: the tags by when they were claimed.
CLAIMS, CLAIMS_INDEX = BROKER + "claims", BROKER + "claims_index"
#: Stream: messages that no task could process, at most `dead_letters.KEPT`. Hash: reason -> total number so far.
DEAD_LETTERS, DEAD_LETTER_COUNTS = PREFIX + "dead_letters", PREFIX + "dead_letters:counts"


def delayed_messages(queue: str) -> str:
    """Sorted set: a queue's messages with a countdown, by when they are due."""
    return f"{BROKER}delayed:{queue}"


def wakeup(queue: str) -> str:
    """List of at most one token, which wakes an idle worker: the queue has messages."""
    return f"{BROKER}wakeup:{queue}"
