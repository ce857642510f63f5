"""Every Redis key, and what lives under it. Times in Redis are whole milliseconds since the epoch.

Nothing here expires by itself while it is needed: orders go with the `prune` sweep after their retention,
the rest is bounded by the number of orders and accounts, or has its bound beside it.

An order's id, which may hold colons, is always the end of a key: so no id can be made to mean another order's key.
"""

from collections.abc import Iterable

PREFIX = "willcall:"

#: Stream of events: the outbox and the event feed. Trimmed by `prune`.
EVENTS = PREFIX + "events"
#: Stream of what operators are told, bounded (see `lua/alert.lua`); no part of the feed.
OPERATOR_EVENTS = PREFIX + "ops:events"
#: What `UNDELIVERED`, `UNTOLD` and `NOTIFIER` are for backends, for operators: by the subject of the event.
OPERATOR_DELIVERIES_DUE = PREFIX + "ops:undelivered"
OPERATOR_DELIVERIES_PENDING = PREFIX + "ops:untold"
OPERATOR_DELIVERY_PROGRESS = PREFIX + "ops:notifier"
#: Set of account keys that have ever had an order.
ACCOUNTS = PREFIX + "accounts"
#: Counter of submissions: the score in the status indexes, so that lists are newest first and pages are stable.
SUBMISSIONS = PREFIX + "submissions"
#: What the keys of `attention` begin with.
ATTENTION = PREFIX + "attention:"
#: Sorted set of final orders by the time they ended, for `prune`.
FINAL = PREFIX + "final"
#: Sorted set of expired orders by the time of their next late check, for `reconcile`.
LATE = PREFIX + "late"
#: Sorted set of `[account key, reference]` for which pushes are kept, by the time until which they are.
INBOX = PREFIX + "inbox"
#: Sorted set of the orders whose tickets lack documents, by the time of their next fetch.
FETCHES_DUE = PREFIX + "fetches"
#: Sorted set of the same orders, by the time since which their documents are to be fetched.
FETCHES_PENDING = PREFIX + "lacking"
#: Sorted set of the orders some of whose documents were given up, by when.
DOCUMENTS_GIVEN_UP = PREFIX + "documents-given-up"
#: Set of the documents whose orders are gone and whose files are to be removed, by `prune`.
ORPHANED_DOCUMENTS = PREFIX + "forgotten"
#: Sorted set of the orders of whose latest event a backend is still to be told, by the time of the next try.
DELIVERIES_DUE = PREFIX + "undelivered"
#: Sorted set of the same orders, by the time since which it is to be told: that of the event, or, where that was
#: delivered, of the wish to redeliver it.
DELIVERIES_PENDING = PREFIX + "untold"
#: Hash: how far the workers have come in telling backends.
DELIVERY_PROGRESS = PREFIX + "notifier"
#: Sorted set of the documents of accounts, which no order has claimed, by the time they were put, for `prune`.
UNCLAIMED_DOCUMENTS = PREFIX + "unclaimed"
#: Sorted set of `<kind>:<name>` of the processes, by the time at which each was last seen.
PROCESSES = PREFIX + "processes"
#: Hash: the kind of a process -> the last sign that any of the kind gave, as JSON. Kept when none is left.
LAST_HEARTBEATS = PREFIX + "last_signs"
#: Hash: `id`, made at random when the first process starts over an empty Redis; and `replaced_at`, when a process last
#: found another one than before (milliseconds).
STATE = PREFIX + "state"
#: Hash: the name of a sweep -> its last run, as JSON.
SWEEPS = PREFIX + "sweeps"
#: Hash: where the last run of a sweep stopped for lack of time.
SWEEP_POSITIONS = PREFIX + "sweeps:positions"
#: String that is written to see whether Redis takes writes. Expires after a second.
PROBE = PREFIX + "probe"

#: What the message broker's keys begin with, apart from the queues' lists, which are named like their queues.
BROKER = PREFIX + "broker:"
#: Hash: the tag of a claimed message -> its list and itself; and sorted set of the tags by the time of the claim.
CLAIMS, CLAIMS_INDEX = BROKER + "claims", BROKER + "claims_index"

#: Stream of messages that no task could take, bounded; and hash: why -> how many there ever were.
DEAD_LETTERS, DEAD_LETTER_COUNTS = PREFIX + "dead_letters", PREFIX + "dead_letters:counts"

#: Seconds that the counters of a minute and of an hour are kept: an hour of minutes, and two days of hours.
MINUTE_KEPT, HOUR_KEPT = 3_600, 50 * 3_600


def order(order_id: str) -> str:
    """Hash: the mutable state of an order. Every value is short, which keeps it a compact listpack."""
    return f"{PREFIX}order:{order_id}"


def spec(order_id: str) -> str:
    """String: what was submitted, as JSON; never changes."""
    return f"{PREFIX}spec:{order_id}"


def tickets(order_id: str) -> str:
    """String: the order's tickets, as JSON; absent while there are none."""
    return f"{PREFIX}tickets:{order_id}"


def attempts(order_id: str) -> str:
    """List: the timeline, newest first, bounded (see `orders.TIMELINE`)."""
    return f"{PREFIX}attempts:{order_id}"


def fetch(order_id: str) -> str:
    """Hash: who fetches the order's documents, since when, how often, why in vain; there while it is in `FETCHES`."""
    return f"{PREFIX}fetch:{order_id}"


def delivery(order_id: str) -> str:
    """Hash: how far the telling of the order's latest event is; with the event's data until that is delivered."""
    return f"{PREFIX}delivery:{order_id}"


def delivery_attempts(order_id: str) -> str:
    """List: the tries to tell of the order's events, newest first, bounded (see `deliveries.LOG`)."""
    return f"{PREFIX}deliveries:{order_id}"


def operator_delivery(subject: str) -> str:
    """Hash: how far telling operators of a subject's latest event is. An order's goes with the order."""
    return f"{PREFIX}ops:delivery:{subject}"


def operator_delivery_attempts(subject: str) -> str:
    """List: the tries to tell operators of a subject's events, newest first, bounded, gone with the delivery."""
    return f"{PREFIX}ops:deliveries:{subject}"


def document(document_id: str) -> str:
    """Hash: what is known of a stored file. Goes with its owner."""
    return f"{PREFIX}document:{document_id}"


def documents(owner: str) -> str:
    """Hash: an order's (or an account's) documents, SHA-256 of the content -> document id."""
    return f"{PREFIX}documents:{owner}"


def due(account_key: str) -> str:
    """Sorted set: an account's orders by the time at which they are to be looked at. The truth of the chain."""
    return f"{PREFIX}due:{account_key}"


def held(account_key: str) -> str:
    """Sorted set: the orders that wait for a parked account, by their deadline (late checks last)."""
    return f"{PREFIX}held:{account_key}"


def index(account_key: str, status: str) -> str:
    """Sorted set: an account's orders of one status, by submission number."""
    return f"{PREFIX}index:{account_key}:{status}"


def attention(account_key: str, reason: str) -> str:
    """Sorted set: an account's orders that need attention for one reason, by submission number."""
    return f"{ATTENTION}{account_key}:{reason}"


def references(account_key: str) -> str:
    """Hash: the provider's reference -> the id of the order last submitted with it."""
    return f"{PREFIX}references:{account_key}"


def ticket_owners(account_key: str) -> str:
    """Hash: what identifies a ticket of an account -> the id of the order that holds it. Goes with the orders.

    Kept where some of the provider's references list all that a user ever bought (see `lua/ticket_owners.lua`).
    """
    return f"{PREFIX}owners:{account_key}"


def owned_tickets(order_id: str) -> str:
    """Set: the fields of `owners` that are an order's."""
    return f"{PREFIX}owned:{order_id}"


def pushes_ahead(account_key: str, reference: str) -> str:
    """Hash: digest -> a push that came ahead of its order. Expires `inbox.KEPT_FOR` after the last of them came."""
    return f"{PREFIX}inbox:{account_key}:{reference}"


def applied_push(account_key: str, digest: str) -> str:
    """String: the order that a push was applied to. Expires after `retention.orders`, as that order does."""
    return f"{PREFIX}applied:{account_key}:{digest}"


def sweep_failures(name: str) -> str:
    """Hash: what a sweep fails at, how often so far and until when it leaves it alone (JSON)."""
    return f"{PREFIX}sweep:{name}:failing"


def progress(account_key: str) -> str:
    """Hash: how far the workers have come through the poll queue of an account's provider."""
    return f"{PREFIX}progress:{account_key.partition('/')[0]}"


def account(account_key: str) -> str:
    """Hash: an account's health and pause."""
    return f"{PREFIX}account:{account_key}"


def tokens(account_key: str) -> str:
    """Hash: an account's token bucket. Expires a day after the last slot that it has booked."""
    return f"{PREFIX}tokens:{account_key}"


def bookings(account_key: str) -> str:
    """Sorted set: the requests that wait for a booked slot, by that slot less the bucket's shift. Expires with it."""
    return f"{PREFIX}bookings:{account_key}"


def express_bookings(account_key: str) -> str:
    """Sorted set: the same, of those whose slot is one of the express share."""
    return f"{PREFIX}express:{account_key}"


def late_bookings(account_key: str) -> str:
    """Sorted set: the same, of those who missed their slot and get the next tokens."""
    return f"{PREFIX}late_bookings:{account_key}"


def stranded(account_key: str) -> str:
    """Sorted set: the orders that have no slot before their deadline, by that; they take what others give back."""
    return f"{PREFIX}stranded:{account_key}"


def throttled(account_key: str) -> str:
    """Set: the orders whose hint is the account's throttle, so that a person can end it for all of them."""
    return f"{PREFIX}throttled:{account_key}"


def oauth(account_key: str) -> str:
    """Hash: the account's OAuth access token, shared by all workers. Expires with the token."""
    return f"{PREFIX}oauth:{account_key}"


def oauth_auth_method(account_key: str) -> str:
    """String: the way of authenticating that the account's token endpoint took last."""
    return f"{PREFIX}oauth:{account_key}:dialect"


def oauth_wait(account_key: str) -> str:
    """String: that the account's token endpoint is left alone. Expires when it may be asked again."""
    return f"{PREFIX}oauth:{account_key}:wait"


def list_wait(account_key: str) -> str:
    """String: that the account's list of orders is left alone. Expires when it may be asked for again."""
    return f"{PREFIX}list:{account_key}:wait"


def oauth_lock(account_key: str) -> str:
    """String: who is fetching a new access token. Expires after the longest such fetch."""
    return f"{PREFIX}oauth:{account_key}:lock"


def lease(name: str) -> str:
    """String: which run of a sweep is at work. Expires after the longest run of it."""
    return f"{PREFIX}lease:{name}"


def delayed_messages(queue: str) -> str:
    """Sorted set: a queue's messages with a countdown, by when they are due."""
    return f"{BROKER}delayed:{queue}"


def wakeup(queue: str) -> str:
    """List of at most one token, which wakes an idle worker: the queue has messages."""
    return f"{BROKER}wakeup:{queue}"


def ended_session(session_id: str) -> str:
    """String: that an operator has logged out of a session. Expires when the session would have ended by itself."""
    return f"{PREFIX}ended_session:{session_id}"


def process(kind: str, name: str) -> str:
    """Hash: since when a process is seen, and what it says of itself. Expires `processes.FORGOTTEN` after that."""
    return f"{PREFIX}process:{kind}:{name}"


def stats_minute(minute: int | str) -> str:
    """Hash: `counter` -> how many commits of a minute since the epoch said so. Expires after `MINUTE_KEPT`."""
    return f"{PREFIX}stats:minute:{minute}"


def stats_hour(hour: int | str) -> str:
    """Hash: the same, in an hour since the epoch. Expires after `HOUR_KEPT`."""
    return f"{PREFIX}stats:hour:{hour}"


def counter(account_key: str, measures: Iterable[str]) -> str:
    """Field of these hashes: all that one commit measures, so that it counts in one step."""
    return f"{account_key}|{' '.join(measures)}"


def read_counter(counter: str) -> tuple[str, list[str]]:
    """The account key and the measures of a counter."""
    account_key, _, measures = counter.rpartition("|")
    return account_key, measures.split(" ")
