"""The shop's orders. Each event is handled once, whether it comes as a webhook, from the feed, or by both ways."""

from datetime import UTC, datetime

from django.db import models, transaction

from willcall_client import Event


class Order(models.Model):
    id = models.CharField(primary_key=True, max_length=128)
    status = models.CharField(max_length=20, default="pending")
    tickets = models.IntegerField(default=0)
    changed_at = models.DateTimeField(default=datetime(1970, 1, 1, tzinfo=UTC))


class HandledEvent(models.Model):
    id = models.CharField(primary_key=True, max_length=64)


class FeedPosition(models.Model):
    cursor = models.CharField(max_length=64)


@transaction.atomic
def handle(event: Event, cursor: "str | None" = None) -> None:
    """Handle an event, unless that was done before; keep the place in the feed in the same transaction."""
    if cursor is not None:
        FeedPosition.objects.update_or_create(pk=1, defaults={"cursor": cursor})
    _, new = HandledEvent.objects.get_or_create(pk=event.id)
    if not new:
        return
    # An event of the feed may be older than what a webhook brought.
    changed = Order.objects.filter(pk=event.order_id, changed_at__lte=event.occurred_at).update(
        status=event.data.status, tickets=len(event.data.tickets), changed_at=event.occurred_at
    )
    if changed:
        line = f"{event.type} {event.order_id}, tickets: {len(event.data.tickets)}"
        transaction.on_commit(lambda: print(line, flush=True))  # here you would enqueue a job, such as an email
