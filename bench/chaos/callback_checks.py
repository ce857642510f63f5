"""The promises to backends: what they are sent, in which order, and what they know in the end."""

from collections import Counter, defaultdict
from itertools import pairwise

from bench.chaos.history import CallbackMessage, History, VisibleState


def every_callback_is_genuine(history: History) -> list[str]:
    """Every callback is signed, is an event of the stream, and was sent to the backend of that event's order."""
    orders = {event.id: event.order_id for event in history.stream}
    return [
        f"message {message.id} to the backend of {message.order_id} is {wrong}"
        for message in history.callbacks
        for wrong, is_so in (
            ("not signed", not message.verified),
            ("no event of the stream", message.id not in orders),
            (
                "of another order",
                not message.order_id == message.body_order_id == orders.get(message.id, message.body_order_id),
            ),
        )
        if is_so
    ]


def callbacks_keep_the_order(history: History) -> list[str]:
    """No backend receives an event, for the first time or again, after a later event of the same order."""
    places = {event.id: place for place, event in enumerate(history.stream)}
    by_order: dict[str, list[CallbackMessage]] = defaultdict(list)
    for message in sorted(history.callbacks, key=lambda message: message.at):
        if message.id in places:
            by_order[message.order_id].append(message)
    return [
        f"{order_id}: {after.id} came after {before.id}, which is later"
        for order_id, messages in by_order.items()
        for before, after in pairwise(messages)
        if places[after.id] < places[before.id]
    ]


def every_last_event_is_delivered(history: History) -> list[str]:
    """The backend of each order has accepted its last event, whatever was superseded."""
    accepted = {message.id for message in history.callbacks if message.accepted}
    last = {event.order_id: event for event in history.stream if event.sent}
    return [
        f"{order_id}: {event.type} ({event.id}) was never accepted"
        for order_id, event in last.items()
        if order_id in history.submitted and event.id not in accepted
    ]


def every_backend_knows_its_orders(history: History) -> list[str]:
    """What a backend accepted last says the same of an order as the order itself: status, attention and tickets."""
    known = {message.order_id: message.state for message in history.callbacks if message.accepted}
    return [
        f"{order_id}: its backend knows {_differing(known[order_id], ended.state)}"
        for order_id, ended in history.final_orders.items()
        if order_id in known and ended.state and known[order_id] != ended.state
    ]


def risk_is_notified_in_time(history: History) -> list[str]:
    """An order is at risk from half of the time before its event, is notified of that twice at most, and not after it.

    Events are much less than an hour ahead here, so the other rules of the moment don't matter.
    """
    found, notified = [], Counter[str]()
    for event in history.stream:
        ended = history.final_orders.get(event.order_id)
        if event.type != "order.at_risk" or not ended:
            continue
        notified[event.order_id] += 1
        half = ended.submitted + ((ended.event_at or 0.0) - ended.submitted) / 2
        if not half <= event.at <= (ended.event_at or 0.0):
            found.append(f"{event.order_id}: at risk at {event.at:.3f}, not from {half:.3f} to {ended.event_at}")
    return found + [f"{order_id}: at risk {count} times" for order_id, count in notified.items() if count > 2]


def _differing(known: VisibleState | None, state: VisibleState) -> str:
    """Return in which respect two states differ, without the tickets themselves."""
    if known is None or (known.status, known.attention) != (state.status, state.attention):
        return f"{known and (known.status, known.attention)}, not {(state.status, state.attention)}"
    return f"{len(known.tickets)} tickets that differ from the {len(state.tickets)} that it has"
