"""What an order's tickets become when a push or a poll brings others."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence

from willcall.orders.matching import MOST_PAIRS, match_most
from willcall.orders.model import Ticket, TicketStatus
from willcall.orders.seating import Place, place_of
from willcall.orders.tickets import (
    PUSHED,
    Tickets,
    admits,
    certain_groups,
    has_own_mark,
    listed_as,
    listed_copies,
    listed_urls,
    marks_of,
    unique,
    without_query,
)


def added(present: Sequence[Ticket], new: Sequence[Ticket]) -> Tickets:
    """Return the present tickets and the pushed `new` ones.

    A new one takes the place of its own earlier copy, and of what it corrects: another file for the same seat of the
    same listing. Tickets of one push never replace each other.
    """
    result: list[Ticket | None] = list(present)
    unknown = []
    known: set[int] = set()
    by_mark = _index(present, marks_of)
    for ticket in unique(new):
        same = [index for index in _found(by_mark, marks_of(ticket)) if _is_same(ticket, present[index])]
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
            result[corrected[0]] = listed_as(ticket, listed_copies(present[corrected[0]]))
            known.update(corrected)
        else:
            result.append(ticket)
    return tuple(ticket for ticket in result if ticket)


def reconciled(present: Sequence[Ticket], polled: Sequence[Ticket], *, final: bool = False) -> Tickets:
    """Return what an order has after a poll that listed `polled`.

    That is the list, and what was pushed before, which a poll may not know of. A listed copy of a pushed ticket is
    dropped, as the pushed file is here already. Where more are listed than were pushed and nobody can tell which
    is a copy, all stay. The list replaces an earlier one, but of an order that is `final` no ticket goes away.
    """
    pushed = [ticket for ticket in present if ticket.extra.get(PUSHED)]
    polled = unique(polled)
    copies = _copies(pushed, polled)
    result = [ticket for index, ticket in enumerate(polled) if index not in copies]
    for index, ticket in enumerate(pushed):
        result.append(listed_as(ticket, [polled[two] for two, one in copies.items() if one == index]))
    if final:
        listed = [ticket for ticket in present if not ticket.extra.get(PUSHED)]
        result = [*_not_listed(listed, polled), *result]
    return tuple(result)


def _index(tickets: Sequence[Ticket], marks: Callable[[Ticket], Iterable[Hashable]]) -> dict[Hashable, list[int]]:
    """Return where tickets with each mark are, so that a crowd is not compared pair by pair."""
    index: dict[Hashable, list[int]] = defaultdict(list)
    for place, ticket in enumerate(tickets):
        for mark in marks(ticket):
            index[mark].append(place)
    return index


def _found(index: dict[Hashable, list[int]], marks: Iterable[Hashable]) -> list[int]:
    """Return where tickets with any of the marks are, in their order."""
    return sorted({place for mark in marks for place in index.get(mark, ())})


def _seat_marks(ticket: Ticket) -> list[Hashable]:
    """Return what two exact places that are not different have in common."""
    place = place_of(ticket)
    return [(place.listing, place.row, place.seat)] if place.exact else []


def _is_same(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a pushed ticket is one that came before, perhaps with more or less said about its place."""
    one, two = place_of(ticket), place_of(old)
    alike = ticket.compared_as is old.compared_as and one.listing == two.listing and not one.differs(two)
    return alike and bool(marks_of(ticket) & marks_of(old)) and one.joined(two) in {one, two}


def _corrects(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a pushed ticket takes the place of another one of its kind for the same seat."""
    one, two = place_of(ticket), place_of(old)
    alike = ticket.compared_as is old.compared_as and one.listing == two.listing and not one.differs(two)
    return alike and bool(old.extra.get(PUSHED)) and one.exact and two.exact


def _newer(old: Ticket, new: Ticket) -> Ticket:
    """Return the new copy of a ticket, or the old one where its place is better known."""
    one, two = place_of(old), place_of(new)
    if one != two and one.joined(two) == one:
        return old
    return listed_as(new, listed_copies(old))


def _copies(pushed: Sequence[Ticket], polled: Sequence[Ticket]) -> dict[int, int]:
    """Return which polled tickets are copies of pushed ones (index in `polled` -> index in `pushed`).

    First those that are by their content, address or seat; then those that can be nothing else, see `_forced`. Of files
    beside links it cannot be said which is whose.
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
    if len({ticket.compared_as for ticket in (*pushed, *polled)}) > 1:
        return copies
    known = set(copies.values())
    place = {id(ticket): index for index, ticket in enumerate(pushed)}
    groups = [[place[id(ticket)] for ticket in group] for group in certain_groups(pushed)]
    ours = [group[0] for group in groups if known.isdisjoint(group)]
    theirs = [index for index in range(len(polled)) if index not in copies]
    pairs = _forced([pushed[index] for index in ours], [polled[index] for index in theirs])
    return copies | {theirs[two]: ours[one] for two, one in pairs.items()}


def _copy_marks(ticket: Ticket) -> set[Hashable]:
    """Return what a pushed ticket and a listed copy of it have in common, one of these at least."""
    urls = {*listed_urls(ticket), ticket.url}
    marks: set[Hashable] = {*marks_of(ticket), *(("path", without_query(url)) for url in urls if url)}
    return {*marks, *_seat_marks(ticket)}


def _is_copy(ticket: Ticket, listed: Ticket, *, signed_anew: bool) -> bool:
    if ticket.compared_as is not listed.compared_as:
        return False
    if marks_of(ticket) & marks_of(listed) or listed.url in listed_urls(ticket):
        return True
    if signed_anew and without_query(listed.url) in map(without_query, listed_urls(ticket)):
        return True
    one, two = place_of(ticket), place_of(listed)
    return one.exact and one == two


def _one_listing(one: Place, two: Place) -> bool:
    return None in {one.listing, two.listing} or one.listing == two.listing


def _forced(pushed: Sequence[Ticket], polled: Sequence[Ticket]) -> dict[int, int]:
    """Return the polled tickets that must be copies (index in `polled` -> index in `pushed`).

    A poll lists all that was uploaded, hence also what was pushed. So where one file was pushed for a row and one is
    listed for it, they are one. Where two are listed, either may be the copy, and neither is taken for it.
    """
    if len(pushed) * len(polled) > MOST_PAIRS:
        return {}
    left = [place_of(ticket) for ticket in pushed]
    right = [place_of(ticket) if admits(ticket) else None for ticket in polled]

    def may_be(one: Place, two: Place | None) -> bool:
        return two is not None and not one.differs(two)

    pairs = match_most(left, right, may_be)
    doubtful = [index for index in range(len(polled)) if index not in pairs]
    of_pushed = {one: two for two, one in pairs.items()}
    for index in doubtful:
        for one, place in enumerate(left):
            if one in of_pushed and may_be(place, right[index]):
                doubtful.append(of_pushed.pop(one))
    return {two: one for one, two in of_pushed.items()}


def _not_listed(before: Sequence[Ticket], polled: Sequence[Ticket]) -> list[Ticket]:
    """Return what an earlier list had and this one has not, which has no word of it being void."""
    listed, earlier = _index(polled, _list_marks), _index(before, _list_marks)
    missing = [old for old in before if not any(_lists(polled[i], old) for i in _found(listed, _list_marks(old)))]
    new = [one for one in polled if not any(_lists(one, before[i]) for i in _found(earlier, _list_marks(one)))]

    def may_be(old: Ticket, ticket: Ticket) -> bool:
        if old.compared_as is not ticket.compared_as or has_own_mark(old) or has_own_mark(ticket):
            return False
        one, two = place_of(old), place_of(ticket)
        return not one.differs(two) and _one_listing(one, two)

    found = set(match_most(missing, new, may_be).values())
    return [old for index, old in enumerate(missing) if index not in found]


def _list_marks(ticket: Ticket) -> set[Hashable]:
    return {*marks_of(ticket), *([("address", ticket.url)] if ticket.url else [])}


def _lists(ticket: Ticket, old: Ticket) -> bool:
    """Return whether a listed ticket is what an earlier list had, as it is now."""
    if ticket.compared_as is not old.compared_as and ticket.status is not TicketStatus.VOID:
        return False
    return bool(marks_of(ticket) & marks_of(old)) or (old.url is not None and old.url == ticket.url)
