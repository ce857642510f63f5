"""Sessions of operators: a signed cookie with an id, no key in it.

It ends after half a day, by logging out (see `access.Access`), and with the key that opened it.
"""

from collections import deque
from collections.abc import Callable, Sequence
from hashlib import sha256
from secrets import token_bytes, token_hex
from time import monotonic

from itsdangerous import BadSignature, URLSafeTimedSerializer
from pydantic import SecretStr

from willcall.api.security import Keys

#: Seconds that a session lasts.
SESSION_LIFETIME = 12 * 3_600
#: Wrong keys of a caller that are logged in a minute.
LOGGED_FAILURES = 10
_MINUTE = 60.0
#: Callers whose tries are remembered; of more, the earliest are forgotten.
_CALLERS = 1_000


class Sessions:
    """What the browser keeps for us, signed."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        """`keys` are those of operators. A session is signed with a secret made from the key that opened it."""
        self._keys = [(Keys([key]), _signer(key.get_secret_value().encode(), "session")) for key in keys]
        #: Notices for the next page; where nobody logs in, they are signed for this process alone.
        self._notices = _signer(keys[0].get_secret_value().encode() if keys else token_bytes(32), "notice")

    def open(self, key: str) -> str | None:
        """A new session, None where the key is none of ours; takes as long whichever it is."""
        found = [signer for known, signer in self._keys if known.accept(key)]
        return str(found[0].dumps(token_hex(8))) if found else None

    def read(self, session: str) -> str | None:
        """Its id; None where it is not ours, or too old."""
        return next(
            (found for _, signer in self._keys if (found := _read(signer, session, SESSION_LIFETIME)) is not None), None
        )

    def notice(self, text: str) -> str:
        """A notice for the next page of who has just done something."""
        return str(self._notices.dumps(text))

    def read_notice(self, notice: str) -> str | None:
        """Its text; None where it is not ours, or old."""
        return _read(self._notices, notice, _MINUTE)


class FailedLogins:
    """Counts wrong keys, to bound what is logged of them.

    A right key is never refused: all callers behind a proxy are one here, and whoever guesses would lock them out.
    Guessing is hopeless for the length of the keys (`config.settings.SHORTEST_OPERATOR_KEY`), not for a bound on tries.
    """

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        """`now` counts seconds."""
        self._now = now
        self._failed: dict[str, deque[float]] = {}

    def exhausted(self, caller: str) -> bool:
        """Whether the caller has had its wrong keys of this minute."""
        failed = self._failed.get(caller)
        return failed is not None and len(failed) == LOGGED_FAILURES and self._now() - failed[0] < _MINUTE

    def failed(self, caller: str) -> None:
        """Take note of a wrong key."""
        if caller not in self._failed and len(self._failed) >= _CALLERS:
            del self._failed[next(iter(self._failed))]
        self._failed.setdefault(caller, deque(maxlen=LOGGED_FAILURES)).append(self._now())


def _signer(secret: bytes, purpose: str) -> URLSafeTimedSerializer:
    options = {"key_derivation": "hmac", "digest_method": sha256}
    return URLSafeTimedSerializer(secret, salt=f"willcall board {purpose}", signer_kwargs=options)


def _read(signer: URLSafeTimedSerializer, text: str, seconds: float) -> str | None:
    try:
        found = signer.loads(text, max_age=int(seconds))
    except BadSignature:
        return None
    return found if isinstance(found, str) else None
