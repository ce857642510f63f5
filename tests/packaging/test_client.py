"""The distribution willcall-client: what it declares, and what it is alone in an environment of its own."""

import asyncio
import json
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import flask
import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from standardwebhooks import Webhook

import willcall
from tests.command import environment
from tests.packaging.test_declared import imported
from tests.packaging.test_wheel import pip
from willcall.api.examples import EXAMPLES as SHAPES
from willcall.devtools.callback_receiver import SECRET
from willcall_client.testing import WillcallServer
from willcall_client.webhooks import verify

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
PROJECT = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
README = (CLIENT / "README.md").read_text()
EXAMPLES = dict(re.findall(r"^## (\S+).*?^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL))
WILLCALL = Path(sys.executable).with_name("willcall")
(OLDEST,) = re.findall(r">=([0-9.]+)", PROJECT["dependencies"][0])
REPOSITORY = "https://github.com/willcall/willcall"


def test_it_imports_httpx_and_nothing_else_that_must_be_installed() -> None:
    (requirement,) = map(Requirement, PROJECT["dependencies"])
    assert requirement.name == "httpx"
    for file in (CLIENT / "willcall_client").glob("*.py"):
        others = set(imported(file)) - sys.stdlib_module_names - {"httpx", "willcall_client", "typing_extensions"}
        assert others <= ({"pytest"} if file.name == "pytest_plugin.py" else set()), file
        for line in file.read_text().splitlines():
            assert not line.startswith("from typing_extensions"), f"{file}: only type checkers have it"


def test_its_version_is_that_of_the_server(tmp_path: Path) -> None:
    """In an unpacked sdist, where there is no server, it is read from the sdist's own metadata."""
    assert version("willcall-client") == willcall.__version__
    assert runpy.run_path(str(CLIENT / "release.py"))["version"]() == willcall.__version__
    shutil.copy(CLIENT / "release.py", tmp_path)
    (tmp_path / "PKG-INFO").write_text("Metadata-Version: 2.4\nName: willcall-client\nVersion: 7.8.9\n")
    assert runpy.run_path(str(tmp_path / "release.py"))["version"]() == "7.8.9"


def test_its_page_needs_no_repository_beside_it() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert all(link.startswith("https://") for link in links)
    assert (CLIENT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    for address in (*links, *PROJECT["urls"].values()):
        found = re.fullmatch(rf"{REPOSITORY}/(?:blob|tree)/main/([^#]+)(?:#.*)?", address)
        assert found is None or (ROOT / found[1]).exists(), address


EVENT = SHAPES["EventPage"]["items"][0]


def signed(body: bytes) -> dict[str, str]:
    now = datetime.now(UTC)
    signature = Webhook(SECRET).sign("evt_1", now, body.decode())
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def test_the_example_of_the_readme_receives_webhooks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    scope: dict[str, object] = {}
    exec(EXAMPLES["Receive"], scope)  # noqa: S102 - ours
    body = json.dumps(EVENT).encode()

    async def post(headers: dict[str, str]) -> int:
        transport = httpx.ASGITransport(scope["app"])  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            return (await client.post("/willcall", content=body, headers=headers)).status_code

    assert asyncio.run(post(signed(body))) == 204
    assert asyncio.run(post(signed(b"forged"))) == 401
    assert capsys.readouterr().out.split()[1] == "order.fulfilled"


def test_flask_has_what_is_verified() -> None:
    app = flask.Flask("shop")
    body = json.dumps(EVENT).encode()
    with app.test_request_context("/willcall", method="POST", data=body, headers=signed(body)):
        event = verify(flask.request.get_data(), flask.request.headers, SECRET)
        assert event == verify(body, flask.request.environ, SECRET)


class Installed:
    """An environment that holds the client and what it needs."""

    def __init__(self, folder: Path, *requirements: str) -> None:
        venv.create(folder, with_pip=True)
        self.python = str(folder / "bin" / "python")
        pip("install", "--quiet", "--only-binary=:all:", *requirements, python=self.python)

    @contextmanager
    def running(self, folder: Path, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
        """Run Python in a folder, which holds nothing of the project."""
        inherited = {name: value for name, value in environment().items() if name != "PYTHONPATH"}
        with subprocess.Popen(  # noqa: S603 - ours
            [self.python, *arguments],
            cwd=folder,
            env=inherited | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, folder: Path, *arguments: str, **variables: str) -> str:
        with self.running(folder, *arguments, **variables) as process:
            out, _ = process.communicate()
        assert process.returncode == 0, out
        return out


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client-wheel")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(CLIENT))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def server() -> Iterator[WillcallServer]:
    with WillcallServer(WILLCALL) as server:
        for reference in ("1111111", "2222222"):
            server.simulator.add_order("tiqets", reference, quantity=2)
        yield server


@pytest.mark.proof
@pytest.mark.parametrize("httpx_version", ["oldest", "newest"])
def test_the_examples_run_where_the_client_is_alone(
    wheel: Path, server: WillcallServer, tmp_path: Path, httpx_version: str
) -> None:
    oldest = [f"httpx=={OLDEST}"] if httpx_version == "oldest" else []
    installed = Installed(tmp_path / "venv", str(wheel), *oldest)
    listed = json.loads(pip("list", "--format", "json", python=installed.python))
    dependencies = {canonicalize_name(each["name"]) for each in listed} - {"pip", "setuptools", "willcall-client"}
    assert dependencies <= {"httpx", "httpcore", "h11", "certifi", "idna", "anyio", "sniffio", "typing-extensions"}
    pip("check", python=installed.python)

    address = {"WILLCALL_URL": server.url, "WILLCALL_KEY": server.key}
    assert installed.run(tmp_path, "-c", EXAMPLES["Submit"], **address).startswith("cart-42 ")
    assert server.wait_until_final("cart-42").status == "fulfilled"
    assert server.wait_until_final("cart-43").status == "fulfilled"
    with installed.running(tmp_path, "-c", EXAMPLES["Follow"], **address) as follower:
        assert follower.stdout
        seen = {tuple(follower.stdout.readline().split()[1:]) for _ in range(2)}
    assert seen == {("order.fulfilled", "cart-42"), ("order.fulfilled", "cart-43")}


@pytest.mark.proof
def test_the_test_of_the_readme_passes_where_the_client_is_alone(wheel: Path, tmp_path: Path) -> None:
    installed = Installed(tmp_path / "venv", str(wheel))
    example = EXAMPLES["Test"] + "\n\ntest_an_order_is_fulfilled()\n"
    installed.run(tmp_path, "-c", example, WILLCALL_BIN=str(WILLCALL))
