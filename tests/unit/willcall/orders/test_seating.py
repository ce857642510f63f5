"""Which texts name a seat."""

import pytest

from willcall.orders.model import Ticket, TicketKind
from willcall.orders.seating import Seating, normalize_label, seating_of


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            " ",
            "0",
            "00",
            "-",
            "--",
            "—",
            "?",
            "*",
            "...",
            "N/A",
            "n.a.",
            "NA",
            "null",
            "NULL",
            "None",
            "nil",
        ),
        *("TBC", "tbc", "T.B.C.", "(TBC)", "TBA", "TBD", "to be confirmed", "undefined", "unknown", "unallocated"),
        *("GA", "General Admission", "Standing", "Free seating", "\u00a0", "\uff34\uff22\uff23"),
        *("100-103", "100 - 103", "1, 2", "1/2", "5 to 8", "A-F", "1 & 2"),
    ],
)
def test_a_placeholder_or_several_seats_name_no_seat(text: str | None) -> None:
    assert normalize_label(text) is None


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        *(("V", "v"), (" v ", "v"), ("100", "100"), ("007", "7"), ("100.0", "100"), ("12A", "12a"), ("B-12", "b-12")),
        *(
            ("Row V", "v"),
            ("Seat: 12", "12"),
            ("X", "x"),
            ("NN", "nn"),
            ("Block  104", "104"),
            ("Golden Circle", "golden circle"),
        ),
    ],
)
def test_labels_are_normalized(text: str, plain: str) -> None:
    assert normalize_label(text) == plain


def test_an_unknown_part_does_not_make_seats_different() -> None:
    seat = Seating("l", "104", "v", "100")
    assert not seat.differs(Seating())
    assert not seat.differs(Seating("other", None, "v", None))
    assert seat.differs(Seating("l", "104", "v", "101"))
    assert seat.differs(Seating("l", "105"))


def test_the_listing_is_part_of_the_seating() -> None:
    ticket = Ticket(TicketKind.PDF, row="V", seat="TBC", extra={"listing_id": "9211231"})
    assert seating_of(ticket) == Seating("9211231", None, "v", None)
    assert not seating_of(ticket).exact
