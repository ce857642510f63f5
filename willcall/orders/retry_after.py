"""`Retry-After`, in both of its forms."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

#: A hint beyond a year is a mistake, yet never an invitation to ask sooner; this keeps arithmetic finite.
LONGEST = 366 * 86_400.0

#: A header longer than this is no date and no number that anybody means.
_LONGEST_TEXT = 1_000
_SECONDS = re.compile(r"\d{1,400}(\.\d{0,400})?")


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait from `now` (epoch seconds), or None where the header is absent or means nothing.

    Takes delta-seconds and the three HTTP-date forms. A date in the past is 0; a negative number or
    garbage is None, so that the caller's own back-off applies. Never more than `LONGEST`.

    https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    text = (value or "").strip()
    if not text.isascii() or len(text) > _LONGEST_TEXT:
        return None
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST)
    try:
        date = parsedate_to_datetime(text)
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(moment - now, 0.0), LONGEST)
