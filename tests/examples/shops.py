"""The shops of examples/, run with the commands that their README names."""

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.scripted_server import Server
from tests.tools import require, require_command
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import free_port

EXAMPLES = Path(__file__).parents[2] / "examples"
#: The port that the README's commands name.
PORT = "9000"


@dataclass(frozen=True)
class Example:
    """One shop: the command that it needs, and those that prepare it, serve it and follow the feed."""

    name: str
    serve: str
    follow: str
    prepare: Sequence[str] = ()
    needs: str = "python"
    #: What fails where a package of the language is missing.
    check: str = "true"


SHOPS = (
    Example("fastapi", f"uvicorn app:app --port {PORT}", "python follow.py"),
    Example(
        "django",
        f"python manage.py runserver --noreload {PORT}",
        "python manage.py follow",
        prepare=["python manage.py migrate"],
    ),
    Example("flask", f"flask run --port {PORT}", "flask follow"),
    Example(
        "node",
        "npm start --silent",
        "npm run --silent follow",
        prepare=["npm ci", "npm run generate", "npm run build"],
        needs="npm",
    ),
    Example(
        "php",
        f"php -S 127.0.0.1:{PORT} index.php",
        "php follow.php",
        needs="php",
        check='php -r \'exit((int) !(extension_loaded("curl") && extension_loaded("pdo_sqlite")));\'',
    ),
    Example(
        "ruby", f"ruby app.rb -p {PORT}", "ruby follow.rb", needs="ruby", check="ruby -r sinatra/base -r sqlite3 -e 0"
    ),
)


class Gate:
    """Forwards connections to a server, and refuses them while it is closed."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port or 0
        self._server = Server(self._forward)
        self._closed = False
        #: How many connections were refused, and what was sent in the others.
        self.refused = 0
        self.requested: list[bytes] = []
        self.url = self._server.url

    def close(self) -> None:
        """Begin an outage: every connection breaks."""
        self._closed = True
        for connection in self._server.open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        self._closed = False

    def stop(self) -> None:
        self._server.stop()

    def _forward(self, _: Server, client: socket.socket) -> None:
        if self._closed:
            self.refused += 1
            return
        with socket.create_connection(("127.0.0.1", self._port)) as upstream:
            back = threading.Thread(target=_copy, args=(upstream, client))
            back.start()
            _copy(client, upstream, self.requested)
            back.join()


def _copy(source: socket.socket, target: socket.socket, kept: "list[bytes] | None" = None) -> None:
    with suppress(OSError):
        while part := source.recv(1_000_000):
            if kept is not None:
                kept.append(part)
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


class Process:
    """A running command of a shop."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str], output: Path) -> None:
        self._output = output
        with output.open("wb") as out, (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own examples
                shlex.split(command),
                cwd=folder,
                env=environment,
                stdout=out,
                stderr=log,
                start_new_session=True,  # npm starts a process of its own
            )

    @property
    def events(self) -> list[str]:
        """The lines about events that change a status. Others depend on when documents are here."""
        lines = self._output.read_text().splitlines()
        return [line for line in lines if re.match(r"order\.(?!updated|attention|at_risk)", line)]

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Shop:
    """A shop in a folder of its own, with a database of its own."""

    def __init__(self, example: Example, folder: Path, environment: Mapping[str, str]) -> None:
        """Copy the shop, and run what its README says first. Leaves the test out where a tool is missing."""
        require_command(example.needs)
        self._example, self._folder, self._port = example, folder, free_port()
        self._started: list[Process] = []
        self.url = f"http://127.0.0.1:{self._port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("WILLCALL_")}
        self._environment = {
            **inherited,
            **environment,
            "SHOP_URL": self.url,
            "SHOP_DB": str(folder / "shop.db"),
            "PORT": str(self._port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
        }
        ignored = shutil.ignore_patterns("node_modules", "dist", "willcall-api.ts", "__pycache__")
        shutil.copytree(EXAMPLES / example.name, folder, ignore=ignored)
        require(f"a package that examples/{example.name} needs", not self._run(example.check).returncode)
        for command in example.prepare:
            ended = self._run(command)
            if command == "npm ci":
                require("the npm registry", not ended.returncode)
            assert ended.returncode == 0, ended.stdout

    def check_types(self, program: str) -> "subprocess.CompletedProcess[str]":
        """Compile a program beside those of the Node.js shop."""
        (self._folder / "src" / "check.ts").write_text(program)
        return self._run("npx tsc --noEmit")

    def serve(self) -> Process:
        process = self._start(self._example.serve)
        wait_until(lambda: self._listens(process))
        return process

    def follow(self) -> Process:
        return self._start(self._example.follow)

    def close(self) -> None:
        for process in self._started:
            process.kill()

    def buy(self, order_id: str) -> None:
        """Have the shop submit an order, whose reference is its id."""
        purchase = {"id": order_id, "reference": order_id, "quantity": 1}
        answer = httpx.post(f"{self.url}/orders", json=purchase, timeout=60, trust_env=False)
        assert (answer.status_code, answer.json()["id"]) == (201, order_id), answer.text

    def order(self, order_id: str) -> tuple[str, int]:
        """What the shop knows of an order: its status and how many tickets."""
        answer = httpx.get(f"{self.url}/orders/{order_id}", timeout=60, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()["status"], answer.json()["tickets"]

    def _listens(self, process: Process) -> bool:
        assert not process.ended, (self._folder / "log").read_text()
        try:
            return httpx.get(f"{self.url}/orders/none", timeout=60, trust_env=False).status_code == 404
        except httpx.TransportError:
            return False

    def _run(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603 - our own examples
            shlex.split(command),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def _start(self, command: str) -> Process:
        output = self._folder / f"output-{len(self._started)}"
        process = Process(command.replace(PORT, str(self._port)), self._folder, self._environment, output)
        self._started.append(process)
        return process
