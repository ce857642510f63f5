"""Join what several answers say about one record: pages that overlap, and the call for one checkout.

Two answers about a record are never added up: a ticket that both show counts once, also where one shows its code and
the other its file.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from willcall.orders.ticket_identity import normalize_code
from willcall.orders.urls import without_query
from willcall.providers.funtrips.fields import CODE_FIELDS, PDF_FIELDS, take_codes, take_pdf
from willcall.providers.funtrips.records import Record, RecordStatus
from willcall.providers.funtrips.tickets import entries_of
from willcall.providers.reading import as_text

_RECORD_IDS = ("fulfillment_order_id", "fulfillment_id", "id")
_TICKET_IDS = ("ticket_id", "ticket_uid", "id", "uid")

Fields = Mapping[str, Any]


def join_pages(pages: Iterable[Sequence[Record]]) -> list[Record]:
    """Return the records of all pages; one that is shown several times, by its id, is joined.

    Of records without an id, one that is equal to one of an earlier page is the same. What one page repeats stays as it
    is, because the repetition matters when its tickets are counted.
    """
    result: list[Record] = []
    by_id: dict[tuple[str, str], list[int]] = defaultdict(list)
    anonymous: list[int] = []
    for records in pages:
        earlier = list(anonymous)
        for record in records:
            ids = _ids(record)
            candidates = sorted({index for each in ids for index in by_id[each]}) if ids else earlier
            same = _is_same if ids else _is_equal
            known = next((index for index in candidates if same(record, result[index])), None)
            if known is not None:
                result[known] = join_records(result[known], record)
                continue
            for each in ids:
                by_id[each].append(len(result))
            if not ids:
                anonymous.append(len(result))
            result.append(record)
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
    fields = _updated(first, second, PDF_FIELDS if take_pdf(dict(second)) else ())
    if entries:
        fields["tickets"] = entries
    latest = listed if later.status is RecordStatus.UNSTATED else later
    return Record(fields, latest.word, latest.status, (*listed.files, *later.files, *files))


@dataclass(slots=True)
class _Entry:
    """An entry of a record's list, what identifies it, and the address of its PDF without the query."""

    fields: Fields
    ids: frozenset[tuple[str, str]]
    codes: frozenset[str]
    pdf: str | None
    path: str | None

    @classmethod
    def of(cls, fields: Fields) -> "_Entry":
        rest = dict(fields)
        codes, pdf = take_codes(rest), take_pdf(rest)
        ids = frozenset((name, text) for name in _TICKET_IDS if (text := as_text(fields.get(name))))
        return cls(fields, ids, frozenset(normalize_code(code.value) for code in codes), pdf, without_query(pdf))

    @property
    def is_readable(self) -> bool:
        return bool(self.codes) or self.pdf is not None

    def is_same(self, other: "_Entry") -> bool:
        """Return whether the two have a code in common; or an id, unless their codes differ."""
        if self.codes and other.codes:
            return not self.codes.isdisjoint(other.codes)
        return not self.ids.isdisjoint(other.ids)

    def has_file_of(self, other: "_Entry") -> bool:
        """Return whether the two have the same PDF, and not different codes."""
        same = self.path is not None and self.path == other.path
        return same and not (self.codes and other.codes and self.codes.isdisjoint(other.codes))


def _join_entries(listed: Sequence[Fields], later: Sequence[Fields]) -> tuple[list[Fields], list[str]]:
    """Return the entries of a record in two answers, and the PDFs that belong to some of them, but not to which.

    A PDF without a code in one answer may be that of any code that only the other answer shows, unless both answers
    name ids.
    """
    one, two = _distinct(listed), _distinct(later)
    joined: dict[int, Fields] = {}
    left = _pair(one, two, joined, _Entry.is_same)
    left = _pair(one, left, joined, _Entry.has_file_of)
    named = any(entry.ids for entry in one) and any(entry.ids for entry in two)
    old = _split((entry for index, entry in enumerate(one) if index not in joined), by_id=named)
    new = _split(left, by_id=named)
    kept = [*old.known, *new.known, *old.files[len(new.known) :], *new.files[len(old.known) :]]
    files = [*old.files[: len(new.known)], *new.files[: len(old.known)]]
    # A ticket that one answer shows without a code and a file is one of those that the other shows with them.
    blank = [*old.blank[new.readable :], *new.blank[old.readable :]]
    entries = [joined[index] for index in sorted(joined)] + [entry.fields for entry in (*kept, *blank)]
    return entries, [entry.pdf for entry in files if entry.pdf]


def _distinct(entries: Iterable[Fields]) -> list[_Entry]:
    """Return the entries, but a PDF that nothing but its address identifies only once."""
    result: list[_Entry] = []
    urls: set[str | None] = set()
    for entry in map(_Entry.of, entries):
        bare = entry.pdf if not entry.codes and not entry.ids else None
        if bare is None or bare not in urls:
            result.append(entry)
        urls.add(bare)
    return result


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
            old = listed[index]
            replaced = {*(PDF_FIELDS if new.pdf else ()), *(CODE_FIELDS if new.codes >= old.codes else ())}
            joined[index] = _updated(old.fields, new.fields, replaced)
    return left


def _updated(fields: Fields, later: Fields, replaced: Iterable[str]) -> dict[str, Any]:
    """Return fields without those that are `replaced`, and with the later ones that are not null."""
    kept = {name: value for name, value in fields.items() if name not in replaced}
    return {**kept, **{name: value for name, value in later.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class _Split:
    """Entries that are certainly tickets of their own, those with a PDF alone, and those with neither."""

    known: Sequence[_Entry]
    files: Sequence[_Entry]
    blank: Sequence[_Entry]

    @property
    def readable(self) -> int:
        return len(self.known) + len(self.files)


def _split(entries: Iterable[_Entry], *, by_id: bool) -> _Split:
    """Split entries. `by_id`: one with another id is another ticket."""
    every = list(entries)
    known = [bool(entry.codes or (by_id and entry.ids and entry.pdf)) for entry in every]
    return _Split(
        known=[entry for entry, is_known in zip(every, known, strict=True) if is_known],
        files=[entry for entry, is_known in zip(every, known, strict=True) if entry.pdf and not is_known],
        blank=[entry for entry in every if not entry.is_readable],
    )


def _is_same(record: Record, other: Record) -> bool:
    """Return whether two answers show the same record: by its id, otherwise because they are equal."""
    one, two = _ids(record), _ids(other)
    if one or two:
        checkouts = {record.checkout, other.checkout} - {None}
        return not one.isdisjoint(two) and len(checkouts) <= 1
    return _is_equal(record, other)


def _is_equal(record: Record, other: Record) -> bool:
    try:
        return record.fields == other.fields
    except RecursionError:
        return False


def _ids(record: Record) -> set[tuple[str, str]]:
    return {(name, text) for name in _RECORD_IDS if (text := as_text(record.fields.get(name)))}
