"""Write the events that nothing else writes: orders at risk, late documents, and attention of parked accounts."""

from functools import partial

from schedules.run import BATCH, Run
from willcall.stores.changes import Candidate, Change
from willcall.stores.deliveries import DeliveryMessage
from willcall.usecases.changes import find_change, send_changes


def events(run: Run) -> dict[str, int]:
    """Look at the orders whose time has come. Returns how many events were written.

    All events are written before the first message is sent: their time counts, and a lost message is sent again.
    """
    context, messages = run.context, list[DeliveryMessage]()
    store, rules, written = context.stores.changes, context.settings.notify, 0
    store.follow_settings(f"{rules.at_risk:g} {rules.wait_for_documents:g}")
    now = context.stores.accounts.now()

    def look(offset: int) -> tuple[int, int]:
        nonlocal written
        order_ids = store.due(now, offset, BATCH)
        changes: list[Change] = []

        def find(candidate: Candidate) -> int:
            changes.append(find_change(context, candidate, now))
            return 1

        for candidate in store.read(order_ids):
            run.try_item(candidate.order.id, partial(find, candidate), order=candidate.order.id)
        messages.extend(store.write(changes))
        written += sum(change.event is not None for change in changes)
        return len(order_ids), len(changes)

    run.each_batch(look, BATCH)
    send_changes(context, messages)
    return {"events": written}
