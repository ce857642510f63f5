"""Sections, rows and seats as providers write them: which texts name a seat, and which are the same seat."""

import re
import unicodedata
from dataclasses import dataclass

from willcall.orders.model import Ticket

#: Keys in `Ticket.extra` of the listing that a ticket was sold from: Tixstock's listing, Paylogic's event.
_LISTINGS = ("listing_id", "event_uid")

#: Placeholders for an unknown section, row or seat, reduced to letters and digits.
_PLACEHOLDERS = frozenset(
    {
        *("na", "null", "none", "nil", "nan", "undefined", "unknown", "unspecified", "notspecified", "notavailable"),
        *("tbc", "tba", "tbd", "tobeconfirmed", "tobeannounced", "tobedetermined", "tobeadvised", "pending", "any"),
        *("ga", "generaladmission", "general", "standing", "free", "freeseating", "freeseat", "openseating"),
        *("unassigned", "unallocated", "unreserved", "unnumbered", "notassigned", "notallocated", "bestavailable"),
    }
)
_PREFIX = re.compile(r"^(?:section|sec|block|row|seat|no|nr)\b[\s.:#]*(?=\w)")
#: `100-103`, `1, 2` and `A-F` name several seats, `B-12` names one.
_SEVERAL = re.compile(
    r"\d\s*(?:[-\u2013\u2014/]|to|and)\s*\d|[,;&+]|^[a-z]{1,2}\s*(?:[-\u2013\u2014/]|to|and)\s*[a-z]{1,2}$"
)


@dataclass(frozen=True, slots=True)
class Seating:
    """The seat of a ticket and the listing it was sold from. Parts that the provider does not name are `None`."""

    listing: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None

    @property
    def exact(self) -> bool:
        """Whether this names one seat. Without the row, a seat number may mean several."""
        return self.row is not None and self.seat is not None

    def differs(self, other: "Seating") -> bool:
        """Return whether the two are certainly different seats, whatever listing they were sold from."""
        pairs = ((self.section, other.section), (self.row, other.row), (self.seat, other.seat))
        return any(one is not None and two is not None and one != two for one, two in pairs)

    def joined(self, other: "Seating") -> "Seating":
        """Return one seat with the parts that either of the two has."""
        return Seating(
            self.listing or other.listing,
            self.section or other.section,
            self.row or other.row,
            self.seat or other.seat,
        )


def seating_of(ticket: Ticket) -> Seating:
    listing = next((value for name in _LISTINGS if isinstance(value := ticket.extra.get(name), str)), None)
    return Seating(listing, normalize_label(ticket.section), normalize_label(ticket.row), normalize_label(ticket.seat))


def normalize_label(text: str | None) -> str | None:
    """Return a section, row or seat in a form that can be compared.

    `None` for a placeholder (``TBC``, ``0``, ``-``) and for several at once (``100-103``).

    >>> normalize_label("Seat 007"), normalize_label(" Row V "), normalize_label("TBC")
    ('7', 'v', None)
    """
    plain = " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())
    plain = _PREFIX.sub("", plain)
    letters = "".join(filter(str.isalnum, plain))
    if not letters.strip("0") or letters in _PLACEHOLDERS or _SEVERAL.search(plain):
        return None
    return plain.removesuffix(".0").lstrip("0") if letters.isdecimal() else plain
