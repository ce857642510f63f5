"""Sections, rows and seats as providers write them: which texts name a place, and which two name the same one."""

import re
import unicodedata
from dataclasses import dataclass

from willcall.orders.model import Ticket

#: Where an adapter keeps what a ticket was sold from, in `Ticket.extra`: Tixstock's listing, Paylogic's event.
_LISTINGS = ("listing_id", "event_uid")

#: Texts that stand where a place is not known, less everything but letters and digits.
_PLACEHOLDERS = frozenset(
    {
        *("na", "null", "none", "nil", "nan", "undefined", "unknown", "unspecified", "notspecified", "notavailable"),
        *("tbc", "tba", "tbd", "tobeconfirmed", "tobeannounced", "tobedetermined", "tobeadvised", "pending", "any"),
        *("ga", "generaladmission", "general", "standing", "free", "freeseating", "freeseat", "openseating"),
        *("unassigned", "unallocated", "unreserved", "unnumbered", "notassigned", "notallocated", "bestavailable"),
    }
)
_PREFIX = re.compile(r"^(?:section|sec|block|row|seat|no|nr)\b[\s.:#]*(?=\w)")
#: `100-103`, `1, 2` and `A-F` are several, while `B-12` is one.
_SEVERAL = re.compile(
    r"\d\s*(?:[-\u2013\u2014/]|to|and)\s*\d|[,;&+]|^[a-z]{1,2}\s*(?:[-\u2013\u2014/]|to|and)\s*[a-z]{1,2}$"
)


@dataclass(frozen=True, slots=True)
class Seating:
    """Where a ticket's holder sits. Each part is None where the provider names none, or only a placeholder."""

    listing: str | None = None
    section: str | None = None
    row: str | None = None
    seat: str | None = None

    @property
    def exact(self) -> bool:
        """Whether it is one seat: in a place with rows, a seat number alone can mean several."""
        return self.row is not None and self.seat is not None

    def differs(self, other: "Seating") -> bool:
        """Whether the two are provably different seats, whatever listing they were sold from."""
        pairs = ((self.section, other.section), (self.row, other.row), (self.seat, other.seat))
        return any(one is not None and two is not None and one != two for one, two in pairs)

    def joined(self, other: "Seating") -> "Seating":
        """What both say together of one seat."""
        return Seating(
            self.listing or other.listing,
            self.section or other.section,
            self.row or other.row,
            self.seat or other.seat,
        )


def seating_of(ticket: Ticket) -> Seating:
    """Return the place that a ticket names."""
    listing = next((value for name in _LISTINGS if isinstance(value := ticket.extra.get(name), str)), None)
    return Seating(listing, normalize_label(ticket.section), normalize_label(ticket.row), normalize_label(ticket.seat))


def normalize_label(text: str | None) -> str | None:
    """Return a section, row or seat in its plain form.

    `None` for a placeholder (``TBC``, ``0``, ``-``) and for several at once (``100-103``).
    """
    plain = " ".join(unicodedata.normalize("NFKC", text or "").casefold().split())
    plain = _PREFIX.sub("", plain)
    bare = "".join(sign for sign in plain if sign.isalnum())
    if not bare.strip("0") or bare in _PLACEHOLDERS or _SEVERAL.search(plain):
        return None
    return plain.removesuffix(".0").lstrip("0") if bare.isdecimal() else plain
