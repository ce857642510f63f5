"""The options that a Redis address may have after its `?`, in the words of redis-py and of Celery."""

import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite, nan
from pathlib import Path
from typing import Any

TRUE, FALSE = {"1", "t", "true", "y", "yes"}, {"0", "f", "false", "n", "no"}
#: Connections that a worker's client of the broker may use at once.
MIN_CONNECTIONS = 10


def _boolean(text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise ValueError("must be true or false")
    return text.lower() in TRUE


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - no number here is longer
        raise ValueError("must be a whole number")
    return int(text)


def _seconds(text: str) -> float:
    seconds = _number(text)
    if seconds <= 0:
        raise ValueError("must be above 0 s")
    return seconds


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = nan
    if not isfinite(number):
        raise ValueError("must be a number of seconds")
    return number


def _health_check_interval(text: str) -> float:
    seconds = _number(text)
    if seconds and seconds < 1:
        raise ValueError("must be 0, which turns the checks off, or at least 1 s")
    return seconds


def _max_connections(text: str) -> int:
    if _whole(text) < MIN_CONNECTIONS:
        raise ValueError(f"must be at least {MIN_CONNECTIONS}, which a worker needs")
    return int(text)


def _protocol(text: str) -> int:
    if text not in {"2", "3"}:
        raise ValueError("must be 2 or 3")
    return int(text)


def _client_name(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("must be ASCII without spaces")
    return text


def _retry_on_timeout(text: str) -> bool:
    if not _boolean(text):
        raise ValueError("can only be true: Willcall tries again after a timeout")
    return True


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _certificate_requirement(text: str) -> str:
    word = text.lower().removeprefix("cert_")  # Celery's words are the names of Python's constants
    if word not in {"required", "optional", "none"}:
        raise ValueError("must be required, optional or none (or CERT_REQUIRED, CERT_OPTIONAL, CERT_NONE)")
    return word


def _tls_version(text: str) -> ssl.TLSVersion:
    versions = {"771": ssl.TLSVersion.TLSv1_2, "772": ssl.TLSVersion.TLSv1_3}
    if text not in versions:
        raise ValueError("must be 771 (TLS 1.2) or 772 (TLS 1.3)")
    return versions[text]


Readers = Mapping[str, Callable[[str], Any]]

#: How to read each option of a connection.
OPTIONS: Readers = {
    "health_check_interval": _health_check_interval,
    "socket_timeout": _seconds,
    "socket_connect_timeout": _seconds,
    "socket_keepalive": _boolean,
    "max_connections": _max_connections,
    "protocol": _protocol,
    "client_name": _client_name,
    "retry_on_timeout": _retry_on_timeout,
}
#: Options of connections with TLS.
TLS_OPTIONS: Readers = {
    "ssl_cert_reqs": _certificate_requirement,
    "ssl_ca_certs": _text,
    "ssl_ca_path": _text,
    "ssl_certfile": _text,
    "ssl_keyfile": _text,
    "ssl_password": _text,
    "ssl_check_hostname": _boolean,
    "ssl_min_version": _tls_version,
    "ssl_ciphers": _text,
}
#: Who to log in as, where it is not before the host.
LOGIN: Readers = {"username": _text, "password": _text}
#: Options for Sentinels only.
SENTINEL_OPTIONS: Readers = {
    "ssl": _boolean,
    "sentinel_ssl": _boolean,
    "sentinel_username": _text,
    "sentinel_password": _text,
}
#: The number of the database, in the words of redis-py and of Celery.
DATABASE: Readers = {"db": _whole, "virtual_host": _whole}

#: Why some options of redis-py and Celery cannot be used.
_UNUSABLE = {
    "decode_responses": "cannot be set: Willcall decodes replies itself",
    "encoding": "cannot be set: Willcall encodes and decodes itself",
    "encoding_errors": "cannot be set: Willcall encodes and decodes itself",
    "retry_on_error": "cannot be set: Willcall decides what it tries again",
    "credential_provider": "cannot be used: write the user and the password into the address",
    "global_keyprefix": "cannot be set: the names of all keys begin with willcall",
    "master_name": "is part of the path: sentinel://host1:26379,host2:26379/mymaster/0",
    "service_name": "is part of the path: sentinel://host1:26379,host2:26379/mymaster/0",
    "visibility_timeout": "cannot be set: messages of dead workers are returned after a minute",
}


def read_options(pairs: Iterable[tuple[str, str]], readers: Readers, errors: list[str]) -> dict[str, Any]:
    """Return the values by name, after adding what is wrong to `errors`, without any value."""
    values: dict[str, Any] = {}
    for name, text in pairs:
        reader = readers.get(name)
        if reader is None:
            errors.append(_unknown(name, readers))
            continue
        try:
            value = reader(text)
        except ValueError as error:
            errors.append(f"{name} {error}")
            continue
        if values.setdefault(name, value) != value:
            errors.append(f"{name} is there twice, with different values")
    return values


def _unknown(name: str, readers: Readers) -> str:
    if name in _UNUSABLE:
        return f"{name} {_UNUSABLE[name]}"
    if name in TLS_OPTIONS or name == "ssl":
        return f"{name} needs a rediss:// address"
    if name in SENTINEL_OPTIONS:
        return f"{name} needs a sentinel:// address"
    if name in OPTIONS:
        return f"{name} cannot be used with this kind of address"
    shown = f" {name!r}" if re.fullmatch(r"[a-z_]{2,40}", name) else ""  # it may be part of a password
    return f"unknown option{shown}; the options are {', '.join(readers)}"


def tls_errors(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the combination of TLS options."""
    if "ssl_certfile" not in options and ("ssl_keyfile" in options or "ssl_password" in options):
        yield "ssl_keyfile and ssl_password need an ssl_certfile"
    if options.get("ssl_cert_reqs") == "none" and options.get("ssl_check_hostname"):
        yield "ssl_check_hostname needs a certificate that is verified: not ssl_cert_reqs=none"


def check_tls_files(options: Mapping[str, Any]) -> None:
    """Read the files of TLS options as a connection will. Raises ValueError, which repeats no name of a file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    password = options.get("ssl_password", "")  # an empty one, or OpenSSL asks at the terminal
    if "ssl_ca_path" in options:
        with _named("ssl_ca_path"):
            next(Path(options["ssl_ca_path"]).iterdir(), None)  # OpenSSL ignores a missing folder
            context.load_verify_locations(capath=options["ssl_ca_path"])
    if "ssl_ciphers" in options:
        with _named("ssl_ciphers"):
            context.set_ciphers(options["ssl_ciphers"])
    if "ssl_ca_certs" in options:
        with _named("ssl_ca_certs"):
            context.load_verify_locations(options["ssl_ca_certs"])
    if "ssl_certfile" in options:
        with _named("ssl_certfile" if "ssl_keyfile" not in options else "ssl_certfile with ssl_keyfile"):
            context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), password)


@contextmanager
def _named(option: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        reason = (
            error.reason.replace("_", " ").lower() if getattr(error, "reason", None) else "it has no usable content"
        )
        raise ValueError(f"{option} cannot be used: {reason}") from None
    except OSError as error:
        raise ValueError(f"{option} cannot be read: {error.strerror}") from None
