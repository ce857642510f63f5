"""Read dates in responses, and the age of tickets from them. Providers name and write dates in many ways."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from willcall.providers.reading import as_object, as_text

_DAY = 86_400.0
#: Seconds by which a time without a time zone may be later than the same time in UTC.
_ZONES = 12 * 3_600.0
#: Seconds that an event lasts at most, if only its start is given.
_LONGEST_EVENT = 31 * _DAY
#: Numbers from this one on are milliseconds since the epoch.
_MILLISECONDS = 1e11

# Names of fields in lower case, without `_` and `-`.
_ISSUED = {
    *("issuedat", "issued", "issuedon", "issueddate", "issuedate", "dateissued", "issuancedate"),
    *("fulfilledat", "fulfilmentdate", "fulfillmentdate", "completedat"),
}
_CHANGED = {
    *("lastmutationdate", "lastmutationat", "lastmutation", "mutationdate", "lastchanged", "lastchangedat"),
    *("lastchange", "changedat", "lastmodified", "lastmodifiedat", "lastmodifieddate", "modifiedat", "updatedat"),
    *("lastupdated", "lastupdatedat", "lastupdate"),
}
_OVER = {
    *("validuntil", "validto", "validthrough", "scannableuntil", "eventend", "eventendsat", "eventenddate"),
    *("endsat", "enddate", "endtime", "visitdate", "eventdate"),
}
#: When a purchase was made. For a ticket this means little: its barcode may be older than its sale.
_CREATED = {
    *("createdat", "created", "createdon", "createddate", "creationdate", "datecreated", "orderedat", "orderdate"),
    *("purchasedat", "purchasedate", "boughtat", "bookedat", "bookingdate", "bookedon"),
}
_EPOCH = re.compile(r"\d{10}(\d{3})?(\.\d+)?")
_STARTS = {"eventstart", "eventstartsat", "eventstartdate", "startsat", "startdate"}


def moment(value: object) -> float | None:
    """Return an ISO 8601 date and time as epoch seconds (UTC without a zone), or `None` for anything else."""
    try:
        time = datetime.fromisoformat(as_text(value) or "")
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def latest(value: object) -> float | None:
    """Return the latest moment that a date can mean, in epoch seconds: a day ends with its last time zone."""
    written = as_text(value) or ""
    if _EPOCH.fullmatch(written):
        value = float(written)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / (1_000 if value >= _MILLISECONDS else 1)
    at = moment(written)
    if at is None:
        return _mail_date(written)
    if len(written) <= len("2026-11-30"):
        return at + _DAY + _ZONES
    return at if datetime.fromisoformat(written).tzinfo else at + _ZONES


def _mail_date(written: str) -> float | None:
    """Return a date as in mail and HTTP headers (RFC 5322) as epoch seconds, or `None`."""
    try:
        time = parsedate_to_datetime(written)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def issued_at(fields: Mapping[str, Any]) -> float | None:
    """Return when something was issued, otherwise when it last changed, or `None` without such a field."""
    found = {_plain(name): at for name, value in fields.items() if (at := latest(value)) is not None}
    return next((found[name] for names in (_ISSUED, _CHANGED) for name in sorted(names & found.keys())), None)


def is_older(fields: Mapping[str, Any], bought_at: float) -> bool:
    """Return whether something was issued, last changed or over before it could be bought.

    The fields of an `event` among the fields count too.
    """
    for name, value in (*fields.items(), *as_object(fields.get("event")).items()):
        at, plain = latest(value), _plain(name)
        if at is None:
            continue
        if plain in _ISSUED | _CHANGED | _OVER and at < bought_at:
            return True
        if plain in _STARTS and at + _LONGEST_EVENT < bought_at:
            return True
    return False


def created_before(fields: Mapping[str, Any], bought_at: float) -> bool:
    """Return whether a purchase was made more than a day before an order was bought.

    A purchase is created when the customer begins it, hence the day.
    """
    made = (at for name, value in fields.items() if _plain(name) in _CREATED and (at := latest(value)) is not None)
    return any(at + _DAY < bought_at for at in made)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
