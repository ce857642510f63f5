"""A Willcall of your own for your tests, with simulated providers.

Example:
    from willcall_client.testing import WillcallServer

    with WillcallServer() as server:
        server.client.submit("tiqets", "1111111", id="cart-42")  # or your backend does
        assert server.bring_to("cart-42", "fulfilled").tickets

It starts the server's own command, `willcall test-server`, and imports nothing of the server, which may be installed
elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from willcall_client.api_errors import ConflictError
from willcall_client.client import Client
from willcall_client.errors import WillcallError
from willcall_client.outcomes import ATTENTIONS, STATUSES, script_for
from willcall_client.simulator import Simulator, SimulatorError
from willcall_client.webhooks import SignedWebhook, sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from willcall_client.models import Order

__all__ = ["ServerStartError", "SignedWebhook", "Simulator", "SimulatorError", "WillcallServer"]

#: Names the server's command, if it is not `willcall` on PATH.
VARIABLE = "WILLCALL_BIN"
#: Seconds that a server may take to start, and to stop before it is killed.
START_TIMEOUT, STOP_TIMEOUT = 180.0, 60.0
#: The account at each provider whose orders expire after a second.
EXPIRING = "expiring"
#: Seconds until the event of an order that is put at risk.
EVENT_IN = 5.0
#: Seconds between two looks at a process or an order.
INTERVAL = 0.05
_OUTPUT_SHOWN = 4_000
#: Variables of another server, and those that would have the server's Python import your modules.
_OTHERS = ("WILLCALL_", "PYTHON")


class ServerStartError(WillcallError):
    """The server's command was not found, or did not start."""


class WillcallServer:
    """Redis, worker, beat, API and simulated providers on free ports, from `start` to `stop`, or inside a block.

    Nothing is kept, and your configuration is not used. It ends with your process, whatever that dies of.
    """

    def __init__(self, command: str | os.PathLike[str] | None = None, *, ceiling: float = 3_600.0) -> None:
        """Does not start it yet.

        Args:
            command: the server's command; default: `WILLCALL_BIN`, else `willcall` on PATH.
            ceiling: seconds after which an order expires.
        """
        self._command = command
        self._ceiling = ceiling
        self._process: subprocess.Popen[bytes] | None = None
        #: Where the API is, one of its keys, and the secret that signs its webhooks.
        self.url = self.key = self.webhook_secret = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the server and wait until it accepts orders. Raises ServerStartError."""
        command = _find(self._command)
        self._folder = TemporaryDirectory(prefix="willcall-testing-")
        try:
            self._read(self._launch(command))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and all that it started. Does nothing if it is not running."""
        if self.url:
            self.client.close()
            self.simulator.close()
            self.url = ""
        if self._process is not None:
            _stop(self._process)
            self._process = None
            self._folder.cleanup()

    def wait_until_final(self, order_id: str, timeout: float = 60.0) -> Order:
        """Return an order once it has ended. Raises TimeoutError."""
        return self._wait(order_id, lambda order: order.final, "final", timeout)

    def _wait(self, order_id: str, there: Callable[[Order], bool], wanted: str, timeout: float) -> Order:
        deadline = time.monotonic() + timeout
        while not there(order := self.client.order(order_id)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"order {order_id} is {order.status} and not {wanted} after {timeout:g} s")
            time.sleep(INTERVAL)
        return order

    def bring_to(self, order_id: str, status: str, timeout: float = 60.0) -> Order:
        """Have the provider say what brings a submitted order to a status, and return the order once it is there.

        `expired` is for orders of the account `expiring`, whose orders expire after a second, or for a server with a
        short `ceiling`. Raises ValueError if the order's provider has no word for the status, TimeoutError.
        """
        script = script_for(status, STATUSES, self._order(order_id).provider)
        expires = status == "expired"
        if expires and (order := self._order(order_id)).deadline_at > datetime.now(timezone.utc) + timedelta(minutes=1):
            raise ValueError(f"order {order_id} expires at {order.deadline_at}: submit it with account='{EXPIRING}'")
        return self._bring(order_id, script, lambda order: order.status == status, status, timeout, poll=not expires)

    def bring_to_attention(self, order_id: str, attention: str, timeout: float = 60.0) -> Order:
        """Have the provider say what makes an open order need attention, and return the order once it does.

        Raises ValueError if the order's provider has no word for that, TimeoutError.
        """
        script = script_for(attention, ATTENTIONS, self._order(order_id).provider)
        return self._bring(order_id, script, lambda order: order.attention == attention, attention, timeout)

    def put_at_risk(self, order_id: str, timeout: float = 60.0) -> Order:
        """Move the event of an open order to a few seconds from now, and return the order once it is at risk."""
        self.client.amend(order_id, event_at=datetime.now(timezone.utc) + timedelta(seconds=EVENT_IN))
        return self._wait(order_id, lambda order: order.at_risk, "at risk", timeout)

    def webhook(self, order_id: str) -> SignedWebhook:
        """Return the latest event of an order as Willcall sends it now, for the test client of a web framework."""
        events = [event for event in self.client.events() if event.order_id == order_id]
        if not events:
            raise LookupError(f"there is no event of order {order_id} yet")
        return sign(json.dumps(events[-1].raw).encode(), events[-1].id, self.webhook_secret)

    def _order(self, order_id: str) -> Order:
        return self.client.order(order_id)

    def _bring(
        self,
        order_id: str,
        script: dict[str, Any],
        there: Callable[[Order], bool],
        wanted: str,
        timeout: float,
        *,
        poll: bool = True,
    ) -> Order:
        order = self._order(order_id)
        quantity = order.quantity or (2 if wanted == "partial" else 1)
        given = {"account": order.account, "quantity": quantity, "ready_after": 0, **script}
        self.simulator.set_order(order.provider, order.reference, **given)
        if poll and not there(order):
            with suppress(ConflictError):  # a webhook of the provider may have ended the order already
                self.client.poll(order_id, now=True)
        return self._wait(order_id, there, wanted, timeout)

    def _launch(self, command: str) -> subprocess.Popen[bytes]:
        folder = Path(self._folder.name)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(_OTHERS)}
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - the command that the user names
                    [command, "test-server", "--until-eof", "--ceiling", str(self._ceiling)],
                    cwd=folder,
                    env=environment,
                    stdin=subprocess.PIPE,  # its end, also by our death, stops the server
                    stdout=out,
                    stderr=err,
                    start_new_session=True,  # so that a Ctrl-C reaches our tests first
                )
            except OSError as error:
                self._folder.cleanup()
                raise ServerStartError(f"{command} cannot be started: {error.strerror}") from None
        return self._process

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for the line in which the server says where it is."""
        folder, deadline = Path(self._folder.name), time.monotonic() + START_TIMEOUT
        while not (line := (folder / "stdout").read_bytes()).endswith(b"\n"):
            code = process.poll()
            if code is not None or time.monotonic() > deadline:
                how = "did not start in time" if code is None else f"ended with {code}"
                said = (folder / "stderr").read_text("utf-8", "replace")[-_OUTPUT_SHOWN:].strip()
                raise ServerStartError(f"`willcall test-server` {how}: {said or 'it printed no reason'}")
            time.sleep(INTERVAL)
        try:
            said = json.loads(line)
            self.key, self.webhook_secret = said["key"], said["webhook_secret"]
            self.simulator = Simulator(said["simulator_url"])
            self.client = Client(said["url"], self.key, trust_env=False)
            self.url = said["url"]
        except (ValueError, KeyError, TypeError):
            raise ServerStartError(f"{process.args!r} is no Willcall that this client knows") from None


def _find(command: str | os.PathLike[str] | None) -> str:
    """Return the path of the server's command. Raises ServerStartError."""
    wanted = os.fspath(command) if command is not None else os.environ.get(VARIABLE, "willcall")
    found = shutil.which(wanted)
    if found is None:
        raise ServerStartError(
            f"there is no command {wanted!r}: install the server in an environment of its own, such as with"
            f" `uv tool install 'willcall[dev]'`, and have it on PATH or name it in {VARIABLE}"
        )
    return found


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
