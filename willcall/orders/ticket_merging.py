"""Merge the tickets of a push or a poll into those that an order has.

Later polls never remove a pushed ticket; the list of a poll replaces that of an earlier one. Copies count once: a
ticket that was pushed and is also listed is stored as the pushed one, with its listed copies in `extra`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from willcall.orders.matching import MAX_PAIRS, maximum_matching
from willcall.orders.model import Ticket, TicketStatus
from willcall.orders.seating import Seating, seating_of
from willcall.orders.ticket_admissions import group_certain_admissions
from willcall.orders.ticket_documents import attach_file, stored_file
from willcall.orders.ticket_identity import (
    PUSHED,
    Tickets,
    admits_someone,
    has_id_or_code,
    identity_marks,
    listed_copies,
    listed_urls,
    normalize_code,
    with_listed_copies,
    without_duplicates,
)
from willcall.orders.urls import without_query


def merge_pushed(present: Sequence[Ticket], new: Sequence[Ticket]) -> Tickets:
    """Return the present tickets together with the pushed `new` ones.

    A new ticket replaces its own earlier copy, and a ticket that it corrects: another file for the same seat of the
    same listing. Tickets of one push never replace each other.
    """
    result: list[Ticket | None] = list(present)
    unknown = []
    known: set[int] = set()
    by_mark = _index(present, identity_marks)
    for ticket in without_duplicates(new):
        same = [index for index in _found(by_mark, identity_marks(ticket)) if _is_same(ticket, present[index])]
        free = next((index for index in same if index not in known), None)
        known.update(same)
        if free is not None:
            result[free] = _newer(present[free], ticket)
        elif same:
            result.append(ticket)
        else:
            unknown.append(ticket)
    by_seat = _index(present, _seat_marks)
    for ticket in unknown:
        alike = _found(by_seat, _seat_marks(ticket))
        corrected = [index for index in alike if index not in known and _corrects(ticket, present[index])]
        for index in corrected:
            result[index] = None
        if corrected:
            result[corrected[0]] = with_listed_copies(ticket, listed_copies(present[corrected[0]]))
            known.update(corrected)
        else:
            result.append(ticket)
    return tuple(ticket for ticket in result if ticket)


def merge_polled(present: Sequence[Ticket], polled: Sequence[Ticket], *, final: bool = False) -> Tickets:
    """Return the tickets of an order after a poll that listed `polled`.

    These are the listed tickets and the ones that were pushed before, which a poll may not list. A listed copy of a
    pushed ticket is dropped, as the pushed file is stored already. Where more are listed than were pushed and it is
    unclear which is the copy, all stay. The list replaces an earlier one, but a `final` order never loses a ticket. A
    list that names no file of a ticket takes nothing away: the ticket keeps the one that it had.
    """
    pushed = [ticket for ticket in present if ticket.extra.get(PUSHED)]
    polled = _with_known_files(present, without_duplicates(polled))
    copies = _copies(pushed, polled)
    result = [ticket for index, ticket in enumerate(polled) if index not in copies]
    for index, ticket in enumerate(pushed):
        result.append(with_listed_copies(ticket, [polled[two] for two, one in copies.items() if one == index]))
    if final:
        listed = [ticket for ticket in present if not ticket.extra.get(PUSHED)]
        result = [*_not_listed(listed, polled), *result]
    return tuple(result)


def _with_known_files(present: Sequence[Ticket], polled: Sequence[Ticket]) -> Tickets:
    """Return the listed tickets; one without a file has that of the same ticket in an earlier list, and its address."""
    index = _index(present, identity_marks)

    def known(ticket: Ticket) -> Ticket:
        if ticket.url or ticket.document:
            return ticket
        alike = (present[each] for each in _found(index, identity_marks(ticket)))
        old = next((old for old in alike if old.url and _is_same_part(old, ticket)), None)
        if old is None:
            return ticket
        file = stored_file(old)
        ticket = replace(ticket, url=old.url)
        return attach_file(ticket, file) if file else ticket

    return tuple(map(known, polled))


def _is_same_part(old: Ticket, ticket: Ticket) -> bool:
    """Return whether two tickets are the same part of an entrance: of one kind, with the same code, and not pushed."""
    alike = old.comparison_kind is ticket.comparison_kind and not old.extra.get(PUSHED)
    return alike and normalize_code(old.code or "") == normalize_code(ticket.code or "")


def _index(tickets: Sequence[Ticket], marks: Callable[[Ticket], Iterable[Hashable]]) -> dict[Hashable, list[int]]:
    """Return the positions of the tickets by mark, so that large lists need not be compared pair by pair."""
    index: dict[Hashable, list[int]] = defaultdict(list)
    for position, ticket in enumerate(tickets):
        for mark in marks(ticket):
            index[mark].append(position)
    return index


def _found(index: dict[Hashable, list[int]], marks: Iterable[Hashable]) -> list[int]:
    """Return the positions of the tickets with any of the marks, ascending."""
    return sorted({position for mark in marks for position in index.get(mark, ())})


def _seat_marks(ticket: Ticket) -> list[Hashable]:
    """Return the seat of a ticket as a mark, if it names exactly one."""
    seating = seating_of(ticket)
    return [(seating.listing, seating.row, seating.seat)] if seating.exact else []


def _is_same(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a pushed ticket is the same as an old one, possibly with a more or less complete seat."""
    one, two = seating_of(ticket), seating_of(old)
    alike = ticket.comparison_kind is old.comparison_kind and one.listing == two.listing and not one.differs(two)
    return alike and bool(identity_marks(ticket) & identity_marks(old)) and one.joined(two) in {one, two}


def _corrects(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a pushed ticket replaces another one of its kind for the same seat."""
    one, two = seating_of(ticket), seating_of(old)
    alike = ticket.comparison_kind is old.comparison_kind and one.listing == two.listing and not one.differs(two)
    return alike and bool(old.extra.get(PUSHED)) and one.exact and two.exact


def _newer(old: Ticket, new: Ticket) -> Ticket:
    """Return the new copy of a ticket, or the old one if its seat is more complete."""
    one, two = seating_of(old), seating_of(new)
    if one != two and one.joined(two) == one:
        return old
    return with_listed_copies(new, listed_copies(old))


def _copies(pushed: Sequence[Ticket], polled: Sequence[Ticket]) -> dict[int, int]:
    """Return which polled tickets are copies of pushed ones (index in `polled` -> index in `pushed`).

    First those with the same content, URL or seat; then those that must be copies, see `_forced`. Which file belongs to
    which link is unknown, so neither is forced.
    """
    paths = Counter(without_query(ticket.url) for ticket in polled)
    index = _index(pushed, _copy_marks)
    copies: dict[int, int] = {}
    for two, listed in enumerate(polled):
        signed_anew = paths[without_query(listed.url)] == 1
        alike = _found(index, _copy_marks(listed))
        found = (one for one in alike if _is_copy(pushed[one], listed, signed_anew=signed_anew))
        one = next(found, None)
        if one is not None:
            copies[two] = one
    if len({ticket.comparison_kind for ticket in (*pushed, *polled)}) > 1:
        return copies
    known = set(copies.values())
    position = {id(ticket): index for index, ticket in enumerate(pushed)}
    groups = [[position[id(ticket)] for ticket in group] for group in group_certain_admissions(pushed)]
    ours = [group[0] for group in groups if known.isdisjoint(group)]
    theirs = [index for index in range(len(polled)) if index not in copies]
    pairs = _forced([pushed[index] for index in ours], [polled[index] for index in theirs])
    return copies | {theirs[two]: ours[one] for two, one in pairs.items()}


def _copy_marks(ticket: Ticket) -> set[Hashable]:
    """Return the marks of a ticket, at least one of which a pushed ticket and its listed copy have in common."""
    urls = {*listed_urls(ticket), ticket.url}
    marks: set[Hashable] = {*identity_marks(ticket), *(("path", without_query(url)) for url in urls if url)}
    return {*marks, *_seat_marks(ticket)}


def _is_copy(ticket: Ticket, listed: Ticket, *, signed_anew: bool) -> bool:
    if ticket.comparison_kind is not listed.comparison_kind:
        return False
    if identity_marks(ticket) & identity_marks(listed) or listed.url in listed_urls(ticket):
        return True
    if signed_anew and without_query(listed.url) in map(without_query, listed_urls(ticket)):
        return True
    one, two = seating_of(ticket), seating_of(listed)
    return one.exact and one == two


def _one_listing(one: Seating, two: Seating) -> bool:
    return None in {one.listing, two.listing} or one.listing == two.listing


def _forced(pushed: Sequence[Ticket], polled: Sequence[Ticket]) -> dict[int, int]:
    """Return the polled tickets that must be copies (index in `polled` -> index in `pushed`).

    A poll lists everything that was uploaded, hence also what was pushed. So if one file was pushed for a row and
    one is listed for it, they are the same. Where two are listed, either may be the copy, so neither counts as one.
    """
    if len(pushed) * len(polled) > MAX_PAIRS:
        return {}
    left = [seating_of(ticket) for ticket in pushed]
    right = [seating_of(ticket) if admits_someone(ticket) else None for ticket in polled]

    def may_equal(one: Seating, two: Seating | None) -> bool:
        return two is not None and not one.differs(two)

    pairs = maximum_matching(left, right, may_equal)
    ambiguous = [index for index in range(len(polled)) if index not in pairs]
    of_pushed = {one: two for two, one in pairs.items()}
    for index in ambiguous:
        for one, seating in enumerate(left):
            if one in of_pushed and may_equal(seating, right[index]):
                ambiguous.append(of_pushed.pop(one))
    return {two: one for one, two in of_pushed.items()}


def _not_listed(before: Sequence[Ticket], polled: Sequence[Ticket]) -> list[Ticket]:
    """Return the tickets of an earlier list that this one neither lists nor declares void."""
    listed, earlier = _index(polled, _list_marks), _index(before, _list_marks)
    missing = [old for old in before if not any(_lists(polled[i], old) for i in _found(listed, _list_marks(old)))]
    new = [one for one in polled if not any(_lists(one, before[i]) for i in _found(earlier, _list_marks(one)))]

    def may_equal(old: Ticket, ticket: Ticket) -> bool:
        if old.comparison_kind is not ticket.comparison_kind or has_id_or_code(old) or has_id_or_code(ticket):
            return False
        one, two = seating_of(old), seating_of(ticket)
        return not one.differs(two) and _one_listing(one, two)

    found = set(maximum_matching(missing, new, may_equal).values())
    return [old for index, old in enumerate(missing) if index not in found]


def _list_marks(ticket: Ticket) -> set[Hashable]:
    return {*identity_marks(ticket), *([("address", ticket.url)] if ticket.url else [])}


def _lists(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a listed ticket is the current state of one in an earlier list."""
    if ticket.comparison_kind is not old.comparison_kind and ticket.status is not TicketStatus.VOID:
        return False
    return bool(identity_marks(ticket) & identity_marks(old)) or (old.url is not None and old.url == ticket.url)
