"""A RabbitMQ server of the tests' own."""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from secrets import token_urlsafe

from amqp import Connection

from willcall.devtools.embedded_redis import free_port

#: Seconds that the server may take to start or to end.
PATIENCE = 60.0

#: Debian's command changes to the user and the folders of the service; this is what it starts.
_PLAIN_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


def executable() -> str | None:
    """The script that starts a server as the user we are, None where none is installed."""
    return str(_PLAIN_SCRIPT) if _PLAIN_SCRIPT.exists() else shutil.which("rabbitmq-server")


class RabbitMQ:
    """One server on loopback: own ports, own data folder, own node name and password, nothing of the machine's.

    `start` and `kill` may be repeated over the same data.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._port, self._dist_port, self._epmd_port = free_port(), free_port(), free_port()
        self._password = token_urlsafe(18)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"amqp://willcall:{self._password}@127.0.0.1:{self._port}//"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        # The server would start a name daemon of its own and leave it behind.
        self._epmd = self._run("epmd")
        self._wait_for_epmd()
        self._server = self._run(str(executable()))
        self._wait_for_server()

    def kill(self) -> None:
        """End the server as a crash would; its data stays in the folder."""
        for process in (self._server, self._epmd):
            if process is not None:
                os.killpg(process.pid, signal.SIGKILL)  # the group that we made: the script has the server as a child
                process.wait(PATIENCE)
        self._server = self._epmd = None

    def _write_settings(self) -> None:
        settings = {
            "listeners.tcp.default": f"127.0.0.1:{self._port}",
            "default_user": "willcall",
            "default_pass": self._password,
        }
        (self.folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
        for name in ("rabbitmq-env.conf", "enabled_plugins"):
            (self.folder / name).touch()

    def _run(self, *command: str) -> "subprocess.Popen[bytes]":
        folder = str(self.folder)
        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": folder,  # keeps the cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"willcall-{self._port}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{folder}/data",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own server
                command,
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _wait_for_epmd(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._epmd_port)) == 0:
                    return
            time.sleep(0.02)
        raise TimeoutError("epmd does not answer")

    def _wait_for_server(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._server is not None and self._server.poll() is None:
            try:
                with Connection(f"127.0.0.1:{self._port}", "willcall", self._password, connect_timeout=1):
                    return
            except OSError:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError((self.folder / "output.log").read_text()[-2_000:])
