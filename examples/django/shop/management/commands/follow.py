"""Follow the event feed: it has every event, also those of the time when the shop was down."""

from django.conf import settings
from django.core.management.base import BaseCommand

from shop.models import FeedPosition, handle
from willcall_client import Client


class Command(BaseCommand):
    help = __doc__

    def handle(self, **_: object) -> None:
        position = FeedPosition.objects.first()
        with Client(settings.WILLCALL_URL, settings.WILLCALL_KEY) as willcall:
            feed = willcall.events(after=position and position.cursor)
            for event in feed.follow():  # continues after an outage of Willcall
                handle(event, feed.cursor)
