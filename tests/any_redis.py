"""One Redis that can be reached in every way: over TCP, TLS, a socket file and Sentinels, with a user of its own."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from redis import Redis
from redis.exceptions import RedisError

from tests.tools import require_command
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis, RedisStartError, executable, free_port

USER, PASSWORD = "will:call", "p@ss/w%rd"
LOGIN = "will%3Acall:p%40ss%2Fw%25rd"
SENTINEL_PASSWORD = "another-word"
#: The forms of an address, in the order of their databases, from 1 on.
FORMS = ("redis", "options", "resp2", "rediss", "celery", "unix", "celery_socket", "sentinel")
#: Those that need a server with TLS.
TLS_FORMS = ("rediss", "celery", "sentinel")


class Server(EmbeddedRedis):
    """A server with settings of its own."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        super().__init__(folder)
        self._own = settings

    def _settings(self) -> str:
        return super()._settings() + "".join(f"{name} {value}\n" for name, value in self._own.items())


@dataclass(frozen=True)
class AnyRedis:
    """The addresses of one server, by form, and its administrator's address."""

    admin: str
    urls: Mapping[str, str]
    #: Whether the server was built with TLS.
    tls: bool


@contextmanager
def any_redis(folder: Path) -> Iterator[AnyRedis]:
    """Run the server for the block."""
    folder.mkdir(exist_ok=True)
    certify(folder)
    ports = {"tls": free_port(), "sentinel": free_port()}
    server, tls = _start(folder, ports["tls"])
    try:
        with Redis.from_url(server.url) as client:
            client.execute_command("ACL", "SETUSER", USER, "on", f">{PASSWORD}", "~*", "&*", "+@all")
        urls = {form: url for form, url in _urls(folder, server.port, ports).items() if tls or form not in TLS_FORMS}
        if not tls:
            yield AnyRedis(server.url, urls, tls)
            return
        with _sentinel(folder, ports):
            yield AnyRedis(server.url, urls, tls)
    finally:
        server.kill()


def certify(folder: Path) -> None:
    """Make an authority, and the certificates that it signed for the server and for a client."""

    def openssl(*words: object) -> None:
        subprocess.run([require_command("openssl"), *map(str, words)], check=True, capture_output=True, cwd=folder)  # noqa: S603 - fixed words

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    for name in ("server", "client"):
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        openssl("req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-extfile", "names", "-out", f"{name}.pem"),
        )


def _tls_settings(folder: Path, port: int) -> dict[str, Any]:
    return {
        "tls-port": port,
        "tls-cert-file": folder / "server.pem",
        "tls-key-file": folder / "server.key",
        "tls-ca-cert-file": folder / "ca.pem",
        "tls-auth-clients": "yes",
        "tls-replication": "yes",
    }


def _start(folder: Path, tls_port: int) -> tuple[Server, bool]:
    settings = {"unixsocket": folder / "s"}
    server = Server(folder / "with-tls", settings | _tls_settings(folder, tls_port))
    try:
        server.start()
    except RedisStartError:
        server = Server(folder / "without-tls", settings)
        server.start()
        return server, False
    return server, True


def _urls(folder: Path, port: int, ports: Mapping[str, int]) -> dict[str, str]:
    files = {
        "ssl_ca_certs": folder / "ca.pem",
        "ssl_certfile": folder / "client.pem",
        "ssl_keyfile": folder / "client.key",
    }
    options = {"health_check_interval": 1, "socket_timeout": 30, "max_connections": 20, "client_name": "ours"}
    here = f"{LOGIN}@127.0.0.1:{port}"
    secure = f"{LOGIN}@localhost:{ports['tls']}"
    login = urlencode({"username": USER, "password": PASSWORD})
    sentinels = urlencode({"sentinel_password": SENTINEL_PASSWORD, "ssl": "true", "sentinel_ssl": "true", **files})
    urls = {
        "redis": f"redis://{here}/1?protocol=3",
        "options": f"redis://{here}?db=2&{urlencode(options)}",
        "resp2": f"redis://127.0.0.1:{port}/3?protocol=2&{login}",
        "rediss": f"rediss://{secure}/4?{urlencode(files)}",
        "celery": f"rediss://{secure}/5?ssl_cert_reqs=CERT_REQUIRED&{urlencode(files)}",
        "unix": f"unix://{LOGIN}@{folder / 's'}?db=6",
        "celery_socket": f"redis+socket://{folder / 's'}?virtual_host=7&{login}",
        "sentinel": f"sentinel://{LOGIN}@127.0.0.1:{ports['sentinel']}/tickets/8?{sentinels}",
    }
    assert tuple(urls) == FORMS
    return urls


@contextmanager
def _sentinel(folder: Path, ports: Mapping[str, int]) -> Iterator[None]:
    """Run a Sentinel, over TLS alone, that watches the server."""
    lines = {
        "bind": "127.0.0.1",
        "port": 0,
        **_tls_settings(folder, ports["sentinel"]),
        "requirepass": SENTINEL_PASSWORD,
        "sentinel monitor tickets": f"127.0.0.1 {ports['tls']} 1",
        "sentinel auth-user tickets": USER,
        "sentinel auth-pass tickets": PASSWORD,
    }
    settings = folder / "sentinel.conf"
    settings.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    with (folder / "sentinel.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own server
            [executable(), str(settings), "--sentinel"], stdout=log, stderr=log, cwd=folder
        )
    try:
        wait_until(lambda: _answers(folder, ports["sentinel"]))
        yield
    finally:
        process.kill()
        process.wait()


def _answers(folder: Path, port: int) -> bool:
    files = {"ssl_certfile": folder / "client.pem", "ssl_keyfile": folder / "client.key"}
    options: dict[str, Any] = {"ssl": True, "ssl_ca_certs": folder / "ca.pem", "ssl_check_hostname": False, **files}
    try:
        with Redis(port=port, password=SENTINEL_PASSWORD, **options) as client:
            return bool(client.ping())
    except RedisError:
        return False
