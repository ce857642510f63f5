"""Decode the text of a JSON body. Its bytes determine the charset; the label is only a hint.

JSON is UTF-8; by older RFCs also UTF-16 or UTF-32. But some servers send another charset, with a correct label, a wrong
one or none.

https://www.rfc-editor.org/rfc/rfc8259#section-8.1 · https://www.rfc-editor.org/rfc/rfc4627#section-3
"""

import json
import re

#: The name of a charset in a `Content-Type`.
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE | re.ASCII)
#: Charsets that extend ASCII, so quotes, brackets and commas are the same bytes. A multi-byte charset counts only if
#: the label names it, because any bytes might be in it.
_ACCEPTED = re.compile(
    r"iso-?8859-?\d{1,2}|(windows-|cp)125\d|koi8-[ru]|euc-?(jp|kr)|gbk|gb2312|gb18030|big5|shift[-_]jis"
)
#: Assumed if the bytes are not Unicode and there is no label. Software that says Latin-1 means this charset.
#: https://encoding.spec.whatwg.org/#names-and-labels
_WESTERN = "windows-1252"
_LATIN_1 = re.compile(r"iso-?8859-?1")


def decode_text(body: bytes, content_type: str = "") -> str:
    """Return the body as text, without byte order marks and trailing NULs.

    A body that is valid UTF-8 is read as UTF-8 whatever its label says: text in another charset is hardly ever valid
    UTF-8. Raises ValueError if no charset fits.
    """
    return _decoded(body, content_type).rstrip("\0")


def _decoded(body: bytes, content_type: str) -> str:
    unicode = json.detect_encoding(body)
    try:
        return body.decode(unicode).lstrip("\ufeff")
    except UnicodeDecodeError:
        if not unicode.startswith("utf-8"):
            raise
    for charset in (_labelled(content_type), _WESTERN):
        try:
            return body.decode(charset)
        except (UnicodeDecodeError, LookupError):
            continue
    return body.decode("latin-1")


def _labelled(content_type: str) -> str:
    found = _CHARSET.search(content_type)
    charset = found[1].lower() if found else ""
    return charset if _ACCEPTED.fullmatch(charset) and not _LATIN_1.fullmatch(charset) else _WESTERN
