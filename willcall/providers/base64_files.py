"""Read the files that providers put into JSON as base64, in the forms that encoders write."""

import binascii
import re
from urllib.parse import unquote

from willcall.providers.reading import as_text

#: `data:application/pdf;base64,` and what is left of it. https://www.rfc-editor.org/rfc/rfc2397
_DATA_HEADER = re.compile(r"(?:data:[^,]{0,200}?;?)?\s*base64,", re.IGNORECASE)
#: The alphabet for URLs and file names as the standard one. https://www.rfc-editor.org/rfc/rfc4648#section-5
_STANDARD = str.maketrans("-_", "+/")
_GROUP = 4


def decode_base64(value: object) -> bytes | None:
    """Return the content of a file, or None where the value is no base64.

    Taken are both alphabets, blanks and line breaks anywhere, missing padding, percent-encoding and a `data:` header. A
    character too many at the end is what is left of a clipped file, and is dropped.
    """
    written = (as_text(value) or "").strip("\"' \t\r\n")
    header = _DATA_HEADER.match(written)
    if header:
        written = written[header.end() :]
    if "%" in written:
        written = unquote(written)
    symbols = "".join(written.split()).rstrip("=").translate(_STANDARD)
    if len(symbols) % _GROUP == 1:
        symbols = symbols[:-1]
    try:
        return binascii.a2b_base64(symbols + "=" * (-len(symbols) % _GROUP), strict_mode=True) or None
    except ValueError:
        return None
