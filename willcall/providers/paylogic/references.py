"""The kinds of reference that Paylogic orders are known by.

| reference | what it asks for |
|---|---|
| `<uid>` | an order with all its tickets |
| `ticket:<uid>` | one ticket |
| `code:<barcode>@<event uid>` | the ticket that has this barcode |
| `mine` | the tickets that the account's user personalised |
"""

from dataclasses import dataclass, field

from willcall.providers.safe import check_path_segment

_LONGEST_BARCODE = 255


@dataclass(frozen=True, slots=True)
class OrderUid:
    """An order."""

    uid: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TicketUid:
    """One ticket."""

    uid: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Barcode:
    """The ticket of an event that has a barcode."""

    code: str = field(repr=False)
    event: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Mine:
    """The tickets of the user whose token the account has."""


Reference = OrderUid | TicketUid | Barcode | Mine


def parse_reference(reference: str) -> Reference:
    """The kind of a reference; ValueError, which does not repeat it, where it is none."""
    if reference == "mine":
        return Mine()
    kind, colon, rest = reference.partition(":")
    match kind if colon else "":
        case "":
            return OrderUid(_checked("order uid", reference))
        case "ticket":
            return TicketUid(_checked("ticket uid", rest))
        case "code":
            return _barcode(rest)
    raise ValueError("must be an order uid, ticket:<uid>, code:<barcode>@<event uid> or mine")


def _barcode(rest: str) -> Barcode:
    code, _, event = rest.rpartition("@")
    if not code or not code.isprintable() or len(code) > _LONGEST_BARCODE:
        raise ValueError("must be code:<barcode>@<event uid>")
    return Barcode(code, _checked("event uid", event))


def _checked(what: str, uid: str) -> str:
    try:
        return check_path_segment(uid)
    except ValueError as error:
        raise ValueError(f"{what} {error}") from None
