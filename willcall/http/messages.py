"""HTTP requests and responses as plain data, and the limits of one exchange."""

from collections.abc import Mapping
from dataclasses import dataclass, field

#: A URL, and the parameters that are added to it.
Address = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `params` are percent-encoded when it is sent; the body is `form` or `body`.

    The repr shows no secret.
    """

    method: str
    url: str = field(repr=False)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def address(self) -> Address:
        """What is requested: the same for equal parameters, in whatever sequence."""
        return self.url, tuple(sorted(self.params.items()))


@dataclass(frozen=True, slots=True)
class Response:
    """One complete HTTP response. Header names are in lower case; `received_at` is epoch seconds."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: float


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Limits of one exchange: seconds, and bytes of the decoded body. The defaults are those of an account."""

    connect_timeout: float = 3.0
    read_timeout: float = 10.0
    total_timeout: float = 20.0
    max_bytes: int = 10_000_000
