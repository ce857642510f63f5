"""Join what several answers say about one record: pages that overlap, and the call for one checkout.

Two answers about a record are never added up: a ticket that both show counts once, also where one shows its code and
the other its file.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from willcall.orders.ticket_identity import normalize_code
from willcall.orders.urls import without_query
from willcall.providers.funtrips.fields import take_codes, take_pdf
from willcall.providers.funtrips.records import Record, RecordStatus
from willcall.providers.funtrips.tickets import entries_of
from willcall.providers.reading import as_text

_RECORD_IDS = ("fulfillment_order_id", "fulfillment_id", "id")
_TICKET_IDS = ("ticket_id", "ticket_uid", "id", "uid")

Fields = Mapping[str, Any]


def join_pages(pages: Iterable[Sequence[Record]]) -> list[Record]:
    """Return the records of all pages; one that several pages show is joined.

    What one page repeats stays as it is: whoever counts its tickets must see that.
    """
    result: list[Record] = []
    for records in pages:
        earlier = len(result)
        for record in records:
            known = next((index for index in range(earlier) if _is_same(record, result[index])), None)
            if known is None:
                result.append(record)
            else:
                result[known] = join_records(result[known], record)
    return result


def add_details(records: Sequence[Record], details: Mapping[str, Sequence[Record]]) -> list[Record]:
    """Return the records of a list, with what the calls for single checkouts show (by checkout).

    A record is joined with the one of its id, or with the only one of its checkout.
    """
    result = list(records)
    for checkout, detailed in details.items():
        listed = [index for index, record in enumerate(result) if record.checkout == checkout]
        alone = len(listed) == len(detailed) == 1
        for record in detailed:
            known = next((index for index in listed if alone or _is_same(record, result[index])), None)
            if known is None:
                result.append(record)
            else:
                result[known] = join_records(result[known], record)
    return result


def join_records(listed: Record, later: Record) -> Record:
    """Return a record as two answers show it; what the later one says wins."""
    one, first = entries_of(listed.fields)
    two, second = entries_of(later.fields)
    entries, files = _join_entries(one, two)
    fields = {**first, **{name: value for name, value in second.items() if value is not None}}
    if entries:
        fields["tickets"] = entries
    latest = listed if later.status is RecordStatus.UNSTATED else later
    return Record(fields, latest.word, latest.status, (*listed.files, *later.files, *files))


@dataclass(slots=True)
class _Entry:
    """An entry of a record's list, what identifies it, and the address of its PDF without the query."""

    fields: Fields
    marks: frozenset[tuple[str, str]]
    has_code: bool
    pdf: str | None
    path: str | None

    @classmethod
    def of(cls, fields: Fields) -> "_Entry":
        rest = dict(fields)
        codes, pdf = take_codes(rest), take_pdf(rest)
        ids = ((name, text) for name in _TICKET_IDS if (text := as_text(fields.get(name))))
        marks = frozenset([*ids, *(("code", normalize_code(code.value)) for code in codes)])
        return cls(fields, marks, bool(codes), pdf, without_query(pdf))

    @property
    def is_readable(self) -> bool:
        return self.has_code or self.pdf is not None


def _join_entries(listed: Sequence[Fields], later: Sequence[Fields]) -> tuple[list[Fields], list[str]]:
    """Return the entries of a record in two answers, and the PDFs that belong to some of them, but not to which."""
    one, two = [_Entry.of(entry) for entry in listed], [_Entry.of(entry) for entry in later]
    joined: dict[int, Fields] = {}
    left = _pair(one, two, joined, lambda old, new: not old.marks.isdisjoint(new.marks))
    left = _pair(one, left, joined, lambda old, new: old.path is not None and old.path == new.path)
    unmatched = [entry for index, entry in enumerate(one) if index not in joined]
    (old, blank_old), (new, blank_new) = _split(unmatched), _split(left)
    # A ticket that one answer shows without a code and a file is one of those that the other shows with them.
    blank_old, blank_new = (
        [entry for entry in unmatched if entry not in old],
        [entry for entry in left if entry not in new],
    )
    placeholders = [*blank_old[len(new) :], *blank_new[len(old) :]]
    kept = [joined.get(index, entry.fields) for index, entry in enumerate(one) if index in joined or entry.is_readable]
    if old and new and (_are_files(old) != _are_files(new)):
        # One answer shows the codes, the other the files of the same tickets.
        codes, files = (new, old) if _are_files(old) else (old, new)
        chosen = codes if len(codes) >= len(files) else files
        kept = [*joined.values(), *(entry.fields for entry in (*chosen, *placeholders))]
        return kept, [entry.pdf for entry in files if entry.pdf and chosen is codes]
    return [*kept, *(entry.fields for entry in (*new, *placeholders))], []


def _pair(
    listed: Sequence[_Entry],
    later: Iterable[_Entry],
    joined: dict[int, Fields],
    alike: Callable[[_Entry, _Entry], bool],
) -> list[_Entry]:
    """Join the entries that are alike, and return the later ones that are like no other."""
    left = []
    for new in later:
        index = next((i for i, old in enumerate(listed) if i not in joined and alike(old, new)), None)
        if index is None:
            left.append(new)
        else:
            known = {name: value for name, value in new.fields.items() if value is not None}
            joined[index] = {**listed[index].fields, **known}
    return left


def _split(entries: Iterable[_Entry]) -> tuple[list[_Entry], list[_Entry]]:
    """Return the entries with a code or a PDF, and the others."""
    every = list(entries)
    return [one for one in every if one.is_readable], [one for one in every if not one.is_readable]


def _are_files(entries: Sequence[_Entry]) -> bool:
    return not any(entry.has_code for entry in entries)


def _is_same(record: Record, other: Record) -> bool:
    """Return whether two answers show the same record: by its id, otherwise because they are equal."""
    ids = [[as_text(one.fields.get(name)) for name in _RECORD_IDS] for one in (record, other)]
    if any(ids[0]) or any(ids[1]):
        same = any(one is not None and one == two for one, two in zip(*ids, strict=True))
        return same and (record.checkout == other.checkout or None in {record.checkout, other.checkout})
    try:
        return record.fields == other.fields
    except RecursionError:
        return False
