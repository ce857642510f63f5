"""A reload replaces the configuration as a whole or not at all, and one reload serves all requests before it."""

import json
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from structlog.testing import capture_logs

from tests.waiting import wait_until
from willcall.config import Config, ConfigError, load
from willcall.config.changes import config_digest
from willcall.orders.errors import FieldError
from willcall.providers.registry import ADAPTERS
from willcall.runtime.live_config import Commit, LiveConfig
from willcall.stores.connection import StoreError
from willcall.stores.processes import ConfigurationState, ReloadRequest

FILE = """
redis_url = "redis://localhost:6379/0"
[metrics]
port = 9464
[providers.tiqets.default]
api_key = "key-one"
[providers.tiqets.default.rate]
limit = 5
"""


class Folder:
    """A folder with a configuration file, and how often it was read."""

    def __init__(self, path: Path) -> None:
        self.file = path / "willcall.toml"
        self.file.write_text(FILE)
        self.loads = 0

    def replace(self, old: str, new: str) -> None:
        self.file.write_text(self.file.read_text().replace(old, new))

    def load(self) -> Config:
        self.loads += 1
        return load({}, self.file.parent)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def live(folder: Folder) -> Iterator[LiveConfig]:
    with LiveConfig(folder.load) as live:
        yield live


def reload(live: LiveConfig) -> ConfigurationState:
    live.reload("test")
    return live.state("")


def test_a_reload_takes_the_file_as_it_is_now(folder: Folder, live: LiveConfig) -> None:
    before = live.config
    folder.replace("key-one", "key-two")
    with capture_logs() as lines:
        state = reload(live)
    assert live.config.accounts["tiqets/default"] != before.accounts["tiqets/default"]
    assert (state.errors, state.restart_for, state.refused_at) == ((), (), None)
    [line] = lines
    assert (line["event"], line["by"], line["changed"]) == ("configuration reloaded", "test", ["tiqets/default"])
    assert "key-two" not in json.dumps(line)


def test_an_invalid_file_changes_nothing_and_names_every_error_once(folder: Folder, live: LiveConfig) -> None:
    before = live.config
    folder.replace("limit = 5", "limit = -5")
    folder.replace("key-one", "")
    with capture_logs() as lines:
        state = reload(live)
    assert live.config is before
    assert {error.partition(":")[0] for error in state.errors} == {
        "providers.tiqets.default.rate.limit",
        "providers.tiqets.default.api_key",
    }
    assert [line["log_level"] for line in lines] == ["error"]
    folder.file.write_text(FILE)
    assert reload(live).errors == ()


def test_no_part_changes_if_one_part_refuses(folder: Folder, live: LiveConfig) -> None:
    changed = []

    def prepare(config: Config) -> Commit:
        return lambda: changed.append(config)

    def refuse(_: Config) -> Commit:
        raise ConfigError([FieldError("api.keys", "is empty")])

    live.subscribe(prepare)
    folder.replace("limit = 5", "limit = 6")
    assert reload(live).errors == ()
    live.subscribe(refuse)
    folder.replace("limit = 6", "limit = 7")
    assert reload(live).errors == ("api.keys: is empty",)
    assert changed == [live.config]
    assert live.config.accounts["tiqets/default"].rate.limit == 6


def test_a_bug_refuses_the_change_and_the_next_reload_works(folder: Folder, live: LiveConfig) -> None:
    bugs = [RuntimeError("secret")]

    def prepare(_: Config) -> Commit:
        if bugs:
            raise bugs.pop()
        return lambda: None

    live.subscribe(prepare)
    folder.replace("limit = 5", "limit = 6")
    assert reload(live).errors == ("unexpected error: RuntimeError",)
    assert live.config.accounts["tiqets/default"].rate.limit == 5
    assert reload(live).errors == ()
    assert live.config.accounts["tiqets/default"].rate.limit == 6


def test_an_unchanged_file_prepares_nothing(live: LiveConfig) -> None:
    def refuse(_: Config) -> Commit:
        raise AssertionError

    live.subscribe(refuse)
    assert reload(live).errors == ()


@pytest.mark.parametrize("text", ["", "[providers.tiqets", '[api]\nkeys = ["0123456789abcdef"]'])
def test_a_file_that_is_not_written_completely_is_refused(folder: Folder, live: LiveConfig, text: str) -> None:
    folder.file.write_text(text)
    assert reload(live).errors
    assert live.config.accounts


def test_a_missing_file_is_refused(folder: Folder, live: LiveConfig) -> None:
    folder.file.unlink()
    [error] = reload(live).errors
    assert "is missing" in error
    assert live.config.accounts


def test_a_secret_in_a_file_is_read_again(folder: Folder, live: LiveConfig) -> None:
    secret = folder.file.with_name("secret")
    secret.write_text("key-two\n")
    folder.replace('api_key = "key-one"', f'api_key_file = "{secret}"')
    assert reload(live).errors == ()
    digest = live.state("key").digest
    secret.write_text("key-three\n")
    with capture_logs() as lines:
        assert reload(live).errors == ()
    assert lines[0]["changed"] == ["tiqets/default"]
    assert live.state("key").digest != digest
    secret.unlink()
    [error] = reload(live).errors
    assert "api_key_file" in error
    assert live.config.accounts["tiqets/default"]


def test_what_needs_a_restart_stays_and_is_named(folder: Folder, live: LiveConfig) -> None:
    folder.replace("localhost:6379", "elsewhere:6379")
    folder.replace("9464", "9465")
    folder.replace("limit = 5", "limit = 6")
    state = reload(live)
    assert state.restart_for == ("redis_url", "metrics.port")
    assert live.config.settings.redis_url == "redis://localhost:6379/0"
    assert live.config.settings.metrics.port == 9464
    assert live.config.accounts["tiqets/default"].rate.limit == 6
    folder.replace("elsewhere:6379", "localhost:6379")
    folder.replace("9465", "9464")
    assert reload(live).restart_for == ()


def test_what_follows_a_change_may_fail(folder: Folder, live: LiveConfig) -> None:
    followed: list[float] = []

    def fail(_: Config) -> None:
        raise StoreError("Redis is unreachable")

    live.after(fail)
    live.after(lambda old: followed.append(old.accounts["tiqets/default"].rate.limit))
    folder.replace("limit = 5", "limit = 6")
    assert reload(live).errors == ()
    assert followed == [5]
    reload(live)
    assert followed == [5], "nothing has changed"


def test_a_storm_of_signals_is_served_by_few_reloads(folder: Folder, live: LiveConfig) -> None:
    started, proceed = Event(), Event()

    def prepare(_: Config) -> Commit:
        started.set()
        proceed.wait()
        return lambda: None

    live.subscribe(prepare)
    folder.replace("limit = 5", "limit = 6")
    live.request()
    started.wait()
    folder.replace("limit = 6", "limit = 7")
    for _ in range(1_000):
        live.request()
    proceed.set()
    wait_until(lambda: live.config.accounts["tiqets/default"].rate.limit == 7)
    assert folder.loads == 3, "at the start, for the first request, and for all others"


def test_a_request_for_all_processes_is_answered_once(folder: Folder, live: LiveConfig) -> None:
    request = ReloadRequest(1_000, age=0.0, by="board")
    live.hear(request)
    live.hear(request)
    wait_until(lambda: live.state("").request == 1_000)
    live.hear(None)
    live.hear(ReloadRequest(2_000, age=0.0, by="board"))
    wait_until(lambda: live.state("").request == 2_000)
    assert folder.loads == 3


def test_a_process_that_started_after_the_request_has_the_configuration_already(
    folder: Folder, live: LiveConfig
) -> None:
    live.hear(ReloadRequest(1_000, age=60.0, by="board"))
    wait_until(lambda: live.state("").request == 1_000)
    assert folder.loads == 1


def test_a_digest_tells_configurations_apart_that_a_reload_replaces(folder: Folder, live: LiveConfig) -> None:
    first = live.state("key").digest
    assert first == live.state("key").digest == config_digest(live.config, "key")
    assert live.state("other key").digest != first
    folder.replace("6379", "6380")
    reload(live)
    assert live.state("key").digest == first, "processes may reach Redis by different addresses"
    folder.replace("key-one", "key-two")
    reload(live)
    assert live.state("key").digest != first


def test_a_digest_covers_every_kind_of_account(tmp_path: Path) -> None:
    credentials = {
        "funtrips": 'token_url = "https://f/token"\nclient_id = "id"\nclient_secret = "{}"',
        "paylogic": 'username = "name"\npassword = "{}"',
        "tiqets": 'api_key = "{}"',
        "tixstock": 'bearer_token = "{}"',
        "voordemensen": 'client_name = "{}"',
    }
    assert credentials.keys() <= ADAPTERS.keys()
    seen = set()
    for secret in ("secret-one", "secret-two"):
        for provider, table in credentials.items():
            base = "" if provider == "voordemensen" else 'base_url = "https://example.com"\n'
            (tmp_path / "willcall.toml").write_text(f"[providers.{provider}.default]\n{base}{table.format(secret)}")
            seen.add(config_digest(load({}, tmp_path), "key"))
    assert len(seen) == 2 * len(credentials)
