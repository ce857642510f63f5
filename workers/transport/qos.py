"""Acknowledgements: they are collected and sent with the next claim."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import structlog
from kombu.transport import redis as stock
from kombu.transport import virtual

from workers.transport.queues import BATCH

log = structlog.get_logger(__name__)


class QoS(stock.QoS):
    """The messages that a channel has claimed and not acknowledged."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Tags of finished messages. Other threads add to them.
        self.finished: deque[str] = deque()
        self._restored_at = float("-inf")

    def append(self, message: Any, delivery_tag: str) -> None:
        """Remember a message. The claim has recorded it in Redis already."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Acknowledge with the next claim, or immediately if none follows."""
        self.finished.append(delivery_tag)
        virtual.QoS.ack(self, delivery_tag)
        self._release(delivery_tag)
        if not self.channel.consuming:
            self.flush()

    def reject(self, delivery_tag: str, *, requeue: bool = False) -> None:
        """Forget a message, or return it to its list."""
        if requeue:
            self.channel.queues.restore([delivery_tag], "LPUSH")
            virtual.QoS.ack(self, delivery_tag)
            self._release(delivery_tag)
        else:
            self.ack(delivery_tag)

    @contextmanager
    def taking_finished(self) -> Iterator[list[str]]:
        """Take the finished tags for the block; they are kept if it fails."""
        tags = [self.finished.popleft() for _ in range(len(self.finished))]
        try:
            yield tags
        except BaseException:
            self.finished.extend(tags)
            raise

    def flush(self) -> None:
        """Send all acknowledgements now."""
        with self.taking_finished() as tags:
            if tags:
                self.channel.queues.forget(tags)

    def max_claims(self) -> int:
        """Return how many messages the prefetch limit lets one call claim."""
        if not self.can_consume():
            return 0
        return min(self.can_consume_max_estimate() or BATCH, BATCH)

    def restore_unacked(self, *_: Any) -> None:
        """Return everything that is not acknowledged, in one call, as at the end of a worker."""
        self.channel.queues.restore(reversed(self._delivered))
        for tag in self._delivered:
            self._release(tag)
        self._delivered.clear()

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Return a bounded number of messages that dead workers had claimed, once per restore interval."""
        channel = self.channel
        if monotonic() - self._restored_at < channel.unacked_restore_interval:
            return
        self._restored_at = monotonic()
        overdue = channel.queues.overdue(channel.visibility_timeout, channel.unacked_restore_limit)
        if overdue:  # the oldest is returned last, and so served first
            restored = channel.queues.restore(reversed(overdue), unfinished=True)
            log.warning("unfinished messages restored", count=restored)

    def _release(self, tag: str) -> None:
        if self.channel.slots:
            self.channel.slots.release(tag)
