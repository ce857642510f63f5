"""What can be wrong with a wish. Messages are for people and repeat no secret and no reference."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong: the field's dotted path and what about it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class WillcallError(Exception):
    """Base of all errors that a caller can do something about."""


class RejectedOrderError(WillcallError):
    """An order that cannot be accepted as it was submitted."""

    def __init__(self, problems: list[FieldError]) -> None:
        """`problems`: everything that is wrong, at once."""
        super().__init__("; ".join(map(str, problems)))
        self.errors = problems


class ConflictingOrderError(WillcallError):
    """An order of this id was submitted before with other content."""

    def __init__(self, order_id: str) -> None:
        """`order_id` is the id in question."""
        super().__init__(f"order {order_id} was submitted before with other content")


class UnknownOrderError(WillcallError):
    """There is no order of this id."""

    def __init__(self, order_id: str) -> None:
        """`order_id` is the id in question."""
        super().__init__(f"there is no order {order_id}")


class ClosedOrderError(WillcallError):
    """The order is final and can neither be asked for nor cancelled any more."""


class NothingToDeliverError(WillcallError):
    """There is nobody to tell of the order, or nothing to tell of."""


class UnknownDeadLetterError(WillcallError):
    """No dead letter has this id."""

    def __init__(self, letter_id: str) -> None:
        """`letter_id` is the id in question."""
        super().__init__(f"no dead letter has the id {letter_id[:100]}")


class UnusableDeadLetterError(WillcallError):
    """The dead letter cannot be requeued."""

    def __init__(self, letter_id: str, why: str) -> None:
        """`why` is a clause."""
        super().__init__(f"dead letter {letter_id} cannot be requeued: {why}")


class BrokerUnavailableError(WillcallError):
    """The broker did not accept a message."""

    def __init__(self) -> None:
        super().__init__("the broker is not responding; try again in a few seconds")


class UnknownAccountError(WillcallError):
    """The config has no such account."""

    def __init__(self, account: str, known: list[str]) -> None:
        """`known`: the accounts that there are."""
        names = ", ".join(known) or "none"
        super().__init__(f"there is no account {account} in the config; there is {names}")
