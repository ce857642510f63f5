"""The errors of requests. Their messages are shown to callers and quote neither secrets nor references."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error in one field, given by its dotted path; an empty path means the whole document."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class WillcallError(Exception):
    """Base of all errors that a caller can do something about."""


class RejectedOrderError(WillcallError):
    """The submitted order is invalid. `errors` are all its mistakes."""

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


class ConflictingOrderError(WillcallError):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"order {order_id} already exists with different content")


class DuplicateOrderError(WillcallError):
    """Another open order has the same reference. `other` is its id, if the submitter may know it."""

    def __init__(self, order_id: str, other: str | None) -> None:
        what = f"order {other}" if other else "another order"
        super().__init__(
            f"{what} with the same reference is open; to submit {order_id} all the same, set allow_duplicate to true"
        )
        self.other = other


class UnknownOrderError(WillcallError):
    def __init__(self, order_id: str) -> None:
        super().__init__(f"no order has the id {order_id}")


class ClosedOrderError(WillcallError):
    """The order's status no longer allows this."""


class NotNowError(WillcallError):
    """No request may be sent now; the message says why. `wait`: seconds until one may be, if that is known."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class ErasedOrderError(ClosedOrderError):
    """The order was erased; nothing may bring its content back."""

    def __init__(self, order_id: str, why: str = "nothing of it is left") -> None:
        super().__init__(f"order {order_id} was erased; {why}")


class NothingToDeliverError(WillcallError):
    """The order has no callback URL, or no event yet."""


class UnknownDeadLetterError(WillcallError):
    def __init__(self, letter_id: str) -> None:
        super().__init__(f"no dead letter has the id {letter_id[:100]}")


class UnusableDeadLetterError(WillcallError):
    """The dead letter cannot be requeued; `why` is a clause."""

    def __init__(self, letter_id: str, why: str) -> None:
        super().__init__(f"dead letter {letter_id} cannot be requeued: {why}")


class UnknownSweepError(WillcallError):
    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"there is no sweep {name[:100]}; there are {', '.join(known)}")


class BrokerUnavailableError(WillcallError):
    """The broker did not accept a message."""

    def __init__(self) -> None:
        super().__init__("the broker is not responding; try again in a few seconds")


class UnknownAccountError(WillcallError):
    """The configuration has no such account; `known` are the configured ones."""

    def __init__(self, account: str, known: list[str]) -> None:
        names = f"configured: {', '.join(known)}" if known else "none is"
        super().__init__(f"account {account} is not configured; {names}")
