"""A worker claims no more messages of a queue than it has places for."""

from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from workers.transport import Channel


class ClaimByPlaces(bootsteps.StartStopStep):
    """A step between making a worker's consumer and its first claim, each time that the broker is there (again).

    Messages that were claimed over a connection that is lost keep their places until they are acknowledged.
    """

    requires = (Tasks,)

    def start(self, consumer: Any) -> None:
        """Give the channel that consumes the worker's places; RabbitMQ has no such channel."""
        channel, bulkhead = consumer.task_consumer.channel, consumer.app.bulkhead
        bulkhead.claiming = isinstance(channel, Channel)
        if bulkhead.claiming:
            channel.places = bulkhead
            bulkhead.on_free = channel.connection.cycle.wake
