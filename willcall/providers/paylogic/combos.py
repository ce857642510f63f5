"""What of an order's tickets is one purchase: a ticket, or a combo with its parts.

A combo is sold as a parent product with children; each of them has a ticket of its own, and all are for one person.

https://shopping-api-docs.sandbox.paylogic.com/documentation/ordercancellation.html
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from willcall.orders.ticket_admissions import count_admissions
from willcall.orders.ticket_identity import Tickets
from willcall.providers.paylogic.entrances import Entrance
from willcall.providers.reading import as_int, as_list, as_object


@dataclass(frozen=True, slots=True)
class Unit:
    """A ticket, or a combo with its parts."""

    members: tuple[Entrance, ...]

    @property
    def parts(self) -> list[Entrance]:
        """What must be issued: the parts of a combo that are not void, as its parent may have no file of its own."""
        parents = {member.parent for member in self.members}
        live = [member for member in self.members if not member.void]
        return [member for member in live if member.uid not in parents] or live

    @property
    def void(self) -> bool:
        """Whether nothing of it lets anybody in."""
        return not self.parts

    @property
    def issued(self) -> bool:
        """Whether all of it is here."""
        return not self.void and all(part.issued for part in self.parts)

    @property
    def tickets(self) -> Tickets:
        """What there is of it, void tickets too."""
        return tuple(ticket for member in self.members for ticket in member.tickets)


def units_of(entrances: Iterable[Entrance]) -> list[Unit]:
    """Return the purchases, each ticket once, in the order in which they are listed."""
    single: dict[object, Entrance] = {}
    for index, entrance in enumerate(entrances):
        single.setdefault(entrance.uid or index, entrance)
    members: dict[object, list[Entrance]] = {}
    for key, entrance in single.items():
        members.setdefault(_root(key, entrance, single), []).append(entrance)
    return [Unit(tuple(group)) for group in members.values()]


def people(units: Iterable[Unit]) -> int:
    """Return how many people the issued purchases let in: one each, and one for equal barcodes."""
    return count_admissions(unit.parts[0].tickets[0] for unit in units if unit.issued)


def bought(order: Mapping[str, Any]) -> int:
    """Return how many tickets were bought, 0 where the order does not say. The parts of a combo are not summed."""
    lines = [as_object(line) for line in as_list(order.get("product_selection"))]
    single: Sequence[Mapping[str, Any]] = [line for line in lines if not line.get("parent")] or lines
    quantities = (as_int(line.get("quantity")) for line in single)
    return sum(quantity for quantity in quantities if quantity and quantity > 0)


def _root(key: object, entrance: Entrance, single: Mapping[object, Entrance]) -> object:
    """Return the key of the combo that a ticket is a part of, its own where it is none."""
    seen = {key}
    while entrance.parent and entrance.parent not in seen:
        key = entrance.parent
        seen.add(key)
        if key not in single:
            break
        entrance = single[key]
    return key
