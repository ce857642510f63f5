"""The API takes new keys without a restart, and reloads all processes for operators."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.api.conftest import OPERATOR_KEY, OTHER_KEY, Running, problem, running
from tests.waiting import wait_until
from willcall.devtools.embedded_redis import EmbeddedRedis

NEW_KEY, NEW_OPERATOR_KEY = "the-key-of-tomorrow", "operator-of-tomorrow"


@pytest.fixture(scope="module")
def own_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An API that is the only process of its Redis."""
    folder = tmp_path_factory.mktemp("api")
    redis = EmbeddedRedis(folder / "redis")
    redis.start()
    with running(folder, redis.url, OTHER_KEY) as api:
        yield api
    redis.stop()


@pytest.fixture
def api(own_api: Running) -> Iterator[Running]:
    """An API with a key for backends and one for operators, which a test may change."""
    before = (own_api.folder / "willcall.toml").read_text()
    reload(own_api, lambda text: f'{text}operator_keys = ["{OPERATOR_KEY}"]\n')
    yield own_api
    own_api.session.cookies.clear()
    (own_api.folder / "willcall.toml").write_text(before)


def reload(api: Running, edit: Callable[[str], str], event: str = "configuration reloaded") -> None:
    """Edit the file, send SIGHUP and wait for the log line."""
    file, before = api.folder / "willcall.toml", api.log.count(event)
    file.write_text(edit(file.read_text()))
    api.process.send_signal(signal.SIGHUP)
    wait_until(lambda: api.log.count(event) > before)


def accounts(api: Running) -> list[str]:
    return [item["account"] for item in api.get("/v1/accounts", key=OTHER_KEY).json()["items"]]


def log_in(api: Running, key: str) -> int:
    headers = {"Sec-Fetch-Site": "same-origin"}
    return api.call("POST", "/login", key=None, headers=headers, data={"key": key}, allow_redirects=False).status_code


def test_keys_are_rotated_by_their_list(api: Running) -> None:
    assert api.get("/v1/accounts", key=OTHER_KEY).status_code == 200
    problem(api.get("/v1/accounts", key=NEW_KEY), 401, "unauthorized")
    reload(api, lambda text: text.replace(f'"{OTHER_KEY}"', f'"{OTHER_KEY}", "{NEW_KEY}"'))
    assert api.get("/v1/accounts", key=OTHER_KEY).status_code == 200
    assert api.get("/v1/accounts", key=NEW_KEY).status_code == 200
    reload(api, lambda text: text.replace(f'"{OTHER_KEY}", ', ""))
    problem(api.get("/v1/accounts", key=OTHER_KEY), 401, "unauthorized")
    assert api.get("/v1/accounts", key=NEW_KEY).status_code == 200
    assert NEW_KEY not in api.log


def test_a_session_ends_with_its_operator_key(api: Running) -> None:
    assert log_in(api, OPERATOR_KEY) == 303
    assert api.get("/", key=None, allow_redirects=False).status_code == 200
    reload(api, lambda text: text.replace(OPERATOR_KEY, NEW_OPERATOR_KEY))
    assert api.get("/", key=None, allow_redirects=False).status_code == 303
    assert log_in(api, OPERATOR_KEY) == 403
    assert log_in(api, NEW_OPERATOR_KEY) == 303
    page = api.get("/", key=None).text
    assert 'action="/reload"' in page


def test_accounts_are_added_and_removed(api: Running) -> None:
    reload(api, lambda text: re.sub(r"\[providers.tixstock.default\][^\[]*", "", text))
    assert accounts(api) == ["tiqets/default"]
    order = {"id": "ord-1", "provider": "tixstock", "reference": "1"}
    problem(api.post("/v1/orders", order, key=OTHER_KEY), 422, "rejected")
    reload(api, lambda text: text + '\n[providers.voordemensen.theatre]\nclient_name = "theatre"\n')
    assert accounts(api) == ["tiqets/default", "voordemensen/theatre"]
    assert 'account="theatre"' in api.get("/metrics", key=OTHER_KEY).text


def test_clients_are_added_changed_and_removed(api: Running) -> None:
    client = '\n[api.clients.shop]\nkeys = ["{}"]\naccounts = ["tiqets/*"]\n'.format
    reload(api, lambda text: text + client(NEW_KEY))
    assert api.get("/v1/orders", key=NEW_KEY).status_code == 200
    assert api.post("/v1/orders", {"id": "ord-1", "provider": "tiqets", "reference": "1"}, key=NEW_KEY).ok
    reload(api, lambda text: text.replace(client(NEW_KEY), client(OPERATOR_KEY[::-1])))
    problem(api.get("/v1/orders", key=NEW_KEY), 401, "unauthorized")
    assert api.get("/v1/orders/ord-1", key=OPERATOR_KEY[::-1]).json()["id"] == "ord-1"
    reload(api, lambda text: text.replace(client(OPERATOR_KEY[::-1]), ""))
    problem(api.get("/v1/orders", key=OPERATOR_KEY[::-1]), 401, "unauthorized")
    assert api.get("/v1/orders/ord-1", key=OTHER_KEY).status_code == 200


def test_an_api_beyond_loopback_does_not_lose_its_last_key(redis_server: EmbeddedRedis, tmp_path: Path) -> None:
    with running(tmp_path, redis_server.url, OTHER_KEY, host="0.0.0.0") as api:  # noqa: S104 - its own network
        reload(api, lambda text: text.replace(f'"{OTHER_KEY}"', ""), "configuration refused")
        problem(api.get("/v1/accounts", key=None), 401, "unauthorized")
        assert api.get("/v1/accounts", key=OTHER_KEY).status_code == 200


def test_only_operators_reload_all_processes(api: Running) -> None:
    problem(api.post("/v1/reload", key=OTHER_KEY), 403, "forbidden")
    problem(api.post("/v1/reload", key=None), 401, "unauthorized")
    assert "api" not in re.findall(r'"by": "([^"]+)"', api.log)


@pytest.mark.proof
def test_operators_reload_all_processes(api: Running) -> None:
    answer = api.post("/v1/reload", key=OPERATOR_KEY)
    assert answer.status_code == 200
    [process] = answer.json()["processes"]
    assert process == {"kind": "api", "name": process["name"], "outcome": "taken", "errors": [], "restart_for": []}
    assert log_in(api, OPERATOR_KEY) == 303
    headers = {"Sec-Fetch-Site": "same-origin"}
    page = api.call("POST", "/reload", key=None, headers=headers, data={"back": "/"})
    assert "1 of 1 process took the configuration." in page.text
    assert set(re.findall(r'"by": "([^"]+)"', api.log)) == {"signal", "an operator", "board"}
