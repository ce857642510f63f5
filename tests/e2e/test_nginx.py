"""The shipped configuration of nginx, in a real nginx in front of the API."""

import hashlib
import hmac
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import Setup, submit_all
from tests.tools import require_command
from tests.waiting import is_ready, wait_until
from willcall.devtools.embedded_redis import free_port
from willcall.devtools.local_deployment import LocalDeployment
from willcall.simulator.script import OrderScript

pytestmark = pytest.mark.proof

CONFIG = Path(__file__).parents[2] / "docs" / "ops" / "nginx" / "willcall.conf"
KEY, OPERATOR_KEY, TOKEN = "key-of-a-backend-1", "key-of-an-operator-1", "w" * 32
MEBIBYTE = 1_048_576

MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/willcall.conf;
}}
"""


@pytest.fixture
def system(deployment: Setup) -> LocalDeployment:
    system = deployment(
        {"tixstock/default": {"webhook_token": TOKEN}},
        api={"keys": [KEY], "operator_keys": [OPERATOR_KEY], "max_webhook_bytes": 2 * MEBIBYTE},
    )
    system.start("api", "--port", str(system.api_port))
    system.wait_for_api()
    return system


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "nginx"
    folder.mkdir()
    return folder


@pytest.fixture
def site(system: LocalDeployment, folder: Path, certificate: Path) -> Iterator[requests.Session]:
    """A browser at the site; its addresses are of the site's own."""
    nginx, port = require_command("nginx"), free_port()
    text = CONFIG.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{system.api_port}")
    text = text.replace("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;").replace("    listen [::]:443 ssl;\n", "")
    text = text.replace("willcall.example.com", "localhost")
    for name in ("fullchain.pem", "key.pem"):
        text = text.replace(f"/etc/ssl/willcall/{name}", str(certificate))
    (folder / "willcall.conf").write_text(text)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder))
    command = [nginx, "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", str(folder / "error.log")]
    process = subprocess.Popen(command)  # noqa: S603 - our own configuration
    session = requests.Session()
    session.trust_env = False  # authorities in the environment would replace ours
    session.verify = str(certificate)
    session.headers["Host"] = f"localhost:{port}"
    session.url = f"https://localhost:{port}"  # type: ignore[attr-defined]
    try:
        wait_until(lambda: is_ready(f"https://localhost:{port}/healthz", session))
        yield session
    finally:
        process.terminate()
        process.wait()


def at(site: requests.Session, path: str) -> str:
    return f"{site.url}{path}"  # type: ignore[attr-defined]


def log_in(site: requests.Session) -> requests.Response:
    headers = {"Origin": at(site, "")}
    return site.post(at(site, "/login"), data={"key": OPERATOR_KEY}, headers=headers, timeout=60, allow_redirects=False)


def test_operators_log_in_and_use_forms_over_https(site: requests.Session, system: LocalDeployment) -> None:
    entered = log_in(site)
    assert (entered.status_code, entered.headers["Location"]) == (303, "/")
    assert "Secure" in entered.headers["Set-Cookie"]
    assert "Orders that need attention" in site.get(at(site, "/"), timeout=60).text
    submit_all(system, [OrderScript(provider="tixstock", reference="o-1", ready_after=3_600)])
    headers = {"Origin": at(site, "")}
    cancelled = site.post(at(site, "/orders/ord-0/cancel"), headers=headers, timeout=60, allow_redirects=False)
    assert cancelled.status_code == 303
    order = system.context.stores.orders.get("ord-0")
    assert order
    assert order.status == "cancelled"


def test_updates_arrive_while_the_stream_is_open(site: requests.Session) -> None:
    log_in(site)
    with site.get(at(site, "/board/stream"), stream=True, timeout=60) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        lines = stream.iter_lines(chunk_size=1)
        first = next(line for line in lines if line.startswith(b"data: "))
        assert "headline" in json.loads(first.removeprefix(b"data: "))


def test_webhooks_arrive_whole_and_their_paths_are_not_logged(
    site: requests.Session, system: LocalDeployment, folder: Path
) -> None:
    submit_all(system, [OrderScript(provider="tixstock", reference="o-1", ready_after=3_600)])
    bearer = system.context.accounts["tixstock/default"].credentials.model_dump()["bearer_token"][0].get_secret_value()
    body = json.dumps({"data": {"order_id": "o-1", "id": "1"}, "meta": {"type": "order.update"}}).encode()
    for content, status in ((body, 200), (body + b" " * MEBIBYTE, 200), (body + b" " * 2 * MEBIBYTE, 413)):
        signature = hmac.new(bearer.encode(), content, hashlib.sha256).hexdigest()
        headers = {"X-Tixstock-Signature": signature, "Content-Type": "application/json"}
        path = f"/webhooks/tixstock/default/{TOKEN}"
        assert site.post(at(site, path), data=content, headers=headers, timeout=60).status_code == status
    site.get(at(site, "/healthz"), timeout=60)
    wait_until(lambda: "/healthz" in (folder / "access.log").read_text())
    assert TOKEN not in (folder / "access.log").read_text() + (folder / "error.log").read_text()


def test_backends_use_the_api_and_metrics_stay_inside(site: requests.Session) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    order = {"id": "ord-1", "provider": "tixstock", "reference": "o-1"}
    assert site.post(at(site, "/v1/orders"), json=order, headers=headers, timeout=60).status_code == 201
    assert site.get(at(site, "/v1/orders/ord-1"), timeout=60).status_code == 401
    assert site.get(at(site, "/metrics"), headers=headers, timeout=60).status_code == 404


def test_a_proxy_makes_no_caller_local(site: requests.Session) -> None:
    """Without a key, requests are served on this machine alone; nginx stands on it, and says for whom it asks."""
    assert site.get(at(site, "/v1/orders"), headers={"Host": "localhost"}, timeout=60).status_code == 401
