"""Sessions of operators, in a signed cookie that holds an id and no key.

A session ends after 12 hours, by logging out (see `access.BoardAccess`), or with the key that opened it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes, token_hex

from itsdangerous import BadSignature, URLSafeTimedSerializer
from pydantic import SecretStr

from willcall.api.security import Keys

#: Seconds.
SESSION_LIFETIME = 12 * 3_600
_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Session:
    """A session by its id. `operator`: the name of the operator who opened it, if the key has one."""

    id: str
    operator: str | None


class Sessions:
    """Signs and verifies cookies."""

    def __init__(self, operators: Mapping[str | None, Sequence[SecretStr]]) -> None:
        """`operators`: their keys by name. Each session is signed with a secret derived from the key that opened it."""
        keys = [(name, key) for name, some in operators.items() for key in some]
        self._keys = [(name, Keys([key]), _signer(key.get_secret_value().encode(), "session")) for name, key in keys]
        # Without operator keys, messages are valid within this process only.
        self._flash_signer = _signer(keys[0][1].get_secret_value().encode() if keys else token_bytes(32), "flash")

    def open(self, key: str) -> str | None:
        """Return a new session, or `None` for an unknown key, in constant time."""
        found = [signer for _, known, signer in self._keys if known.accept(key)]
        return str(found[0].dumps(token_hex(8))) if found else None

    def read(self, session: str) -> Session | None:
        """Return a session, or `None` if it is not valid."""
        for operator, _, signer in self._keys:
            found = _read(signer, session, SESSION_LIFETIME)
            if found is not None:
                return Session(found, operator)
        return None

    def sign_flash(self, text: str) -> str:
        """Sign a message for the next page."""
        return str(self._flash_signer.dumps(text))

    def read_flash(self, message: str) -> str | None:
        """Return the text of a message, or `None` if it is not valid."""
        return _read(self._flash_signer, message, _MINUTE)


def _signer(secret: bytes, purpose: str) -> URLSafeTimedSerializer:
    options = {"key_derivation": "hmac", "digest_method": sha256}
    return URLSafeTimedSerializer(secret, salt=f"willcall board {purpose}", signer_kwargs=options)


def _read(signer: URLSafeTimedSerializer, text: str, seconds: float) -> str | None:
    try:
        found = signer.loads(text, max_age=int(seconds))
    except BadSignature:
        return None
    return found if isinstance(found, str) else None
