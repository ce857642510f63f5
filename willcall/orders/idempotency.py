"""Idempotency keys in place of orders' ids."""

import json
import re
from hashlib import blake2b

from willcall.orders.submission import is_order_id

#: Printable ASCII, which is what a header carries unchanged.
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def id_from_key(key: str, client: str | None, item: int | None = None) -> str:
    """Return the order id that an idempotency key stands for: the key itself, if it has the form of an id.

    Any other key becomes an id by its hash, so that the same key of the same client is always the same order. A key may
    be in quotes. `item`: the position in a batch, which makes a key for each of its orders. Raises ValueError.

    https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
    """
    text = key.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    if not _KEY.fullmatch(text) or not text.strip():
        raise ValueError("must be 1 to 255 printable ASCII characters")
    if item is None and is_order_id(text):
        return text
    return f"key_{blake2b(json.dumps([client, text, item]).encode(), digest_size=16).hexdigest()}"
