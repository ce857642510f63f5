"""The configuration: what it accepts, and that every error is reported at once."""

import json
import os
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from standardwebhooks import Webhook

from willcall.config import Config, ConfigError, load
from willcall.http.routes import DIRECT, Proxy
from willcall.orders.errors import RejectedOrderError, UnknownAccountError
from willcall.orders.submission import parse_submission

GOOD = """
redis_url = "redis://redis:6379/3"

[providers.tiqets.default]
api_key = "s3cret"

[providers.tiqets.default.rate]
limit = 5

[providers.tiqets.default.polling]
strategy = "interval"
interval = [200, 400]

[providers.voordemensen.theatre]
client_name = "theatre"

[providers.voordemensen.theatre.polling]
minimum = 1
"""


def read(text: str, folder: Path, **environment: str) -> Config:
    (folder / "willcall.toml").write_text(text)
    return load(environment, folder)


def errors_of(text: str, folder: Path, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, folder, **environment)
    return [str(problem) for problem in caught.value.errors]


def test_an_account_needs_only_its_credentials(tmp_path: Path) -> None:
    account = read('[providers.tiqets.default]\napi_key = "k"', tmp_path).account("tiqets", "default")
    assert account.rate == account.adapter.defaults.rate
    assert account.polling == account.adapter.defaults.polling
    assert account.http.total_timeout == 20


SHARED = """
[providers.tixstock.one]
bearer_token = "k"
rate = {{shared = "address"{one}}}

[providers.tixstock.two]
bearer_token = "k"
rate = {{shared = "address"}}

[providers.voordemensen.default]
client_name = "c"
rate = {{shared = {third}, limit = 290, period = 60, burst = 10}}
"""


def test_accounts_with_the_same_word_share_a_bucket(tmp_path: Path) -> None:
    accounts = read(SHARED.format(one="", third='"address"'), tmp_path).accounts
    assert {account.bucket for account in accounts.values()} == {"shared:address"}
    separate = read('[providers.tixstock.one]\nbearer_token = "k"', tmp_path).accounts["tixstock/one"]
    assert separate.bucket == "tixstock/one"


def test_a_shared_rate_is_the_same_for_all_its_accounts(tmp_path: Path) -> None:
    (error,) = errors_of(SHARED.format(one=", limit = 100", third='"other"'), tmp_path)
    assert error.startswith("providers.tixstock.one.rate, providers.tixstock.two.rate: ")
    assert "tixstock/one has limit 100, period 60, burst 10; tixstock/two has limit 290" in error
    (error,) = errors_of(SHARED.format(one="", third='"a b"'), tmp_path)
    assert error.startswith("providers.voordemensen.default.rate.shared: only letters")


def test_values_of_the_file_override_the_defaults(tmp_path: Path) -> None:
    config = read(GOOD, tmp_path)
    account = config.account("tiqets", "default")
    assert (account.rate.limit, account.rate.burst) == (5, account.adapter.defaults.rate.burst)
    assert (account.polling.strategy, account.polling.interval) == ("interval", (200, 400))
    assert config.settings.redis_url == config.broker_url == "redis://redis:6379/3"


def test_an_account_may_have_a_retention_of_its_own(tmp_path: Path) -> None:
    text = '[providers.tiqets.default]\napi_key = "k"\nretention = {}'
    assert read('[providers.tiqets.default]\napi_key = "k"', tmp_path).account("tiqets", "default").retention is None
    assert read(text.format(86_400), tmp_path).account("tiqets", "default").retention == 86_400
    variable = {"WILLCALL_PROVIDERS__TIQETS__DEFAULT__RETENTION": "3600"}
    assert read(text.format(86_400), tmp_path, **variable).account("tiqets", "default").retention == 3_600
    for wrong in ("0", "-1", "inf", "nan", "'a day'", "[1]"):
        (error,) = errors_of(text.format(wrong), tmp_path)
        assert error.startswith("providers.tiqets.default.retention: ")


def test_no_configuration_undercuts_the_minimum_of_the_provider(tmp_path: Path) -> None:
    assert read(GOOD, tmp_path).account("voordemensen", "theatre").polling.minimum == 10


def test_without_a_file_the_defaults_apply(tmp_path: Path) -> None:
    config = load({}, tmp_path)
    assert config.settings.redis_url == "redis://localhost:6379/0"
    assert config.accounts == {}


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    config = read(
        GOOD,
        tmp_path,
        WILLCALL_REDIS_URL="redis://elsewhere/0",
        WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY="other",
        WILLCALL_PROVIDERS__TIQETS__DEFAULT__RATE__LIMIT="7",
        WILLCALL_PROVIDERS__TIQETS__DEFAULT__POLLING__INTERVAL="[100, 101]",
        WILLCALL_PROVIDERS__TIXSTOCK__DEFAULT__BEARER_TOKEN="t",
        PATH="/bin",
    )
    account = config.account("tiqets", "default")
    assert config.settings.redis_url == "redis://elsewhere/0"
    assert (account.rate.limit, account.polling.interval) == (7, (100, 101))
    assert account.credentials.model_dump()["api_key"].get_secret_value() == "other"
    assert config.account("tixstock", "default").name == "default"


BREAKS = ["\n", "\r\n", "\n\n", "\t", "\x00", "\u2028"]
SECRETS = [
    ("funtrips", "client_secret", {"token_url": "https://a.example/token", "client_id": "box"}),
    ("funtrips", "client_id", {"token_url": "https://a.example/token", "client_secret": "s"}),
    ("funtrips", "public_bearer", {}),
    ("tiqets", "api_key", {}),
    ("tiqets", "webhook_token", {"api_key": "k"}),
    ("tixstock", "bearer_token", {}),
    ("paylogic", "password", {"username": "u"}),
    ("paylogic", "username", {"password": "p"}),
    ("paylogic", "cognito_token", {}),
    ("voordemensen", "client_name", {}),
]


@pytest.mark.parametrize("end", BREAKS)
@pytest.mark.parametrize(("provider", "field", "others"), SECRETS)
def test_a_credential_with_a_line_break_is_named_and_not_shown(
    tmp_path: Path, provider: str, field: str, others: dict[str, str], end: str
) -> None:
    table = {"base_url": "https://api.example", **others, field: f"s3cret{end}"}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
    errors = errors_of(f"[providers.{provider}.default]\n{lines}", tmp_path)
    assert [line.partition(":")[0].removesuffix(".0") for line in errors] == [f"providers.{provider}.default.{field}"]
    assert "s3cret" not in errors[0]


@pytest.mark.parametrize("end", BREAKS)
@pytest.mark.parametrize(
    ("table", "field"), [("api", "keys"), ("api", "operator_keys"), ("notify", "secret"), ("notify", "ops_url")]
)
def test_our_own_secret_with_a_line_break_is_named_and_not_shown(
    tmp_path: Path, table: str, field: str, end: str
) -> None:
    secret = {"secret": f"whsec_{b64encode(b's3cret' * 5).decode()}", "ops_url": "https://ops.example/s3cret"}
    value: object = secret.get(field, "s3cret-s3cret-s3cret") + end
    errors = errors_of(f"[{table}]\n{field} = {json.dumps([value] if 'keys' in field else value)}", tmp_path)
    assert all(line.startswith(f"{table}.{field}") for line in errors)
    assert "s3cret" not in str(errors)


@pytest.mark.parametrize("password", ["{x9!", "[", "[1]", '{"a": 1}', '"quoted"', "null", "5", "sp aced", "pässwörd"])
def test_a_secret_from_the_environment_is_text_whatever_it_looks_like(tmp_path: Path, password: str) -> None:
    table = '[providers.paylogic.default]\nusername = "u"'
    config = read(table, tmp_path, WILLCALL_PROVIDERS__PAYLOGIC__DEFAULT__PASSWORD=password)
    credentials = config.account("paylogic", "default").credentials
    assert credentials.model_dump()["password"].get_secret_value() == password


def test_an_invalid_list_or_table_from_the_environment_is_named(tmp_path: Path) -> None:
    errors = errors_of("", tmp_path, WILLCALL_API__KEYS="[oops", WILLCALL_OUTBOUND="{oops", WILLCALL_NOTIFY="[1]")
    assert errors == [
        "WILLCALL_API__KEYS: must be a list in JSON",
        "WILLCALL_NOTIFY: must be a table in JSON",
        "WILLCALL_OUTBOUND: must be a table in JSON",
    ]


def test_a_list_of_one_text_in_a_variable_may_be_the_text(tmp_path: Path) -> None:
    key = "{a-key-0123456789}"
    settings = read("", tmp_path, WILLCALL_API__KEYS=key, WILLCALL_OUTBOUND__ALLOW="10.0.0.0/8").settings
    assert [each.get_secret_value() for each in settings.api.keys] == [key]
    assert settings.outbound.allow == ("10.0.0.0/8",)


def test_tables_from_the_environment_are_json(tmp_path: Path) -> None:
    config = read(
        GOOD,
        tmp_path,
        WILLCALL_API='{"keys": ["a-key-of-16-letters"]}',
        WILLCALL_PROVIDERS__TIQETS__DEFAULT__RATE='{"limit": 3}',
        WILLCALL_PROVIDERS__TIXSTOCK='{"default": {"bearer_token": "t"}}',
    )
    assert len(config.settings.api.keys) == 1
    assert config.account("tiqets", "default").rate.limit == 3
    assert config.account("tixstock", "default")


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    config = read(GOOD, tmp_path, WILLCALL_REDIS_URL="", WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY="", WILLCALL_X="")
    assert config.settings.redis_url == "redis://redis:6379/3"
    assert config.warnings == []


def test_the_name_of_an_account_is_found_in_any_case(tmp_path: Path) -> None:
    config = read('[providers.tiqets.EU]\napi_key = "k"', tmp_path, WILLCALL_PROVIDERS__TIQETS__EU__RATE__LIMIT="3")
    assert config.account("tiqets", "EU").rate.limit == 3
    assert len(config.accounts) == 1


@pytest.mark.parametrize(
    ("variable", "suggestion"),
    [
        ("WILLCALL_REDISURL", "; did you mean WILLCALL_REDIS_URL?"),
        ("WILLCALL_API_KEYS", "; did you mean WILLCALL_API__KEYS?"),
        ("WILLCALL_API__KEYS_FIL", "; did you mean WILLCALL_API__KEYS_FILE?"),
        ("WILLCALL_API__KEYS__0", ""),
        ("WILLCALL_PROVIDERS__TIQETS__DEFAULT__COLOUR", ""),
        ("WILLCALL_METRICS_PORT", "; did you mean WILLCALL_METRICS__PORT?"),
        (
            "WILLCALL_PROVIDERS__TIQET__DEFAULT__API_KEY",
            "; did you mean WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY?",
        ),
        (
            "WILLCALL_PROVIDERS__VOORDEMENSEN__THEATRE__CLIENTNAME",
            "; did you mean WILLCALL_PROVIDERS__VOORDEMENSEN__THEATRE__CLIENT_NAME?",
        ),
        ("WILLCALL_WHATEVER_ELSE", ""),
    ],
)
def test_a_variable_that_is_not_a_setting_is_a_warning(variable: str, suggestion: str, tmp_path: Path) -> None:
    (warning,) = read(GOOD, tmp_path, **{variable: "s3cret"}).warnings
    assert str(warning) == f"{variable}: is not a setting and has no effect{suggestion}"


def test_other_variables_of_willcall_and_of_services_are_no_warnings(tmp_path: Path) -> None:
    variables = {
        "WILLCALL_BIN": "/usr/bin/willcall",
        "WILLCALL_SERVICE_HOST": "10.0.0.1",
        "WILLCALL_SERVICE_PORT_HTTP": "80",
        "WILLCALL_API_PORT": "tcp://10.0.0.1:80",
        "WILLCALL_API_PORT_80_TCP": "tcp://10.0.0.1:80",
        "WILLCALL_API_PORT_80_TCP_ADDR": "10.0.0.1",
    }
    assert read(GOOD, tmp_path, **variables).warnings == []


def test_the_warnings_accompany_the_errors_that_they_may_explain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read("[providers.tiqets.default]", tmp_path, WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KY="k")
    assert [str(error) for error in caught.value.errors] == ["providers.tiqets.default.api_key: is missing"]
    assert "API_KEY?" in str(caught.value.warnings[0])


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ('redis_ulr = "x"', "redis_ulr: is not recognized; did you mean redis_url?"),
        ("[sweeps]\nnotfy = 3", "sweeps.notfy: is not recognized; did you mean notify?"),
        (
            '[providers.tiqets.default]\napi_key = "k"\nretntion = 3',
            "retntion: is not recognized; did you mean retention?",
        ),
        ('[providers.tiqets.default]\napi_key = "k"\nrates = {}', "rates: is not recognized; did you mean rate?"),
        (
            '[providers.tiqets.default]\napi_key = "k"\nrate = {limt = 3}',
            "rate.limt: is not recognized; did you mean li",
        ),
        ("zzz = 1", "zzz: is not recognized"),
    ],
)
def test_a_similar_name_is_suggested_for_an_unknown_key(text: str, error: str, tmp_path: Path) -> None:
    (found,) = errors_of(text, tmp_path)
    assert error in found


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ('[api]\nkeys = ["{}"]', "api.keys"),
        ('[api]\noperator_keys = ["{}"]', "api.operator_keys"),
        ('[api.operators.anna]\nkeys = ["{}"]', "api.operators.anna.keys"),
        ('[providers.tiqets.default]\napi_key = "k"\nwebhook_token = "{}"', "providers.tiqets.default.webhook_token"),
    ],
)
def test_a_key_that_could_be_guessed_is_an_error(table: str, path: str, tmp_path: Path) -> None:
    [error] = errors_of(table.format("0123456789abcde"), tmp_path)
    assert error == f"{path}.0: must be 16 characters or more: openssl rand -hex 24"
    assert read(table.format("0123456789abcdef"), tmp_path)


def test_a_key_stands_in_one_list_only(tmp_path: Path) -> None:
    text = """
    api.keys = ["s3cret-0123456789-a", "s3cret-0123456789-a"]
    api.operator_keys = ["s3cret-0123456789-b", "s3cret-0123456789-a"]
    api.operators.anna.keys = ["s3cret-0123456789-b"]
    api.clients.shop.keys = ["s3cret-0123456789-b"]
    [providers.tiqets.default]
    api_key = "s3cret-0123456789-a"
    webhook_token = ["s3cret-0123456789-c", "s3cret-0123456789-a"]
    [providers.tixstock.EU]
    bearer_token = "k"
    webhook_token = "s3cret-0123456789-c"
    """
    pairs = [
        ("api.operator_keys", "api.keys"),
        ("api.clients.shop.keys", "api.operator_keys"),
        ("api.operators.anna.keys", "api.operator_keys"),
        ("providers.tiqets.default.webhook_token", "api.keys"),
        ("providers.tixstock.EU.webhook_token", "providers.tiqets.default.webhook_token"),
    ]
    expected = [f"{path}: has a key that {other} has too; give each its own" for path, other in pairs]
    assert errors_of(text, tmp_path) == expected


def test_operators_may_have_names(tmp_path: Path) -> None:
    api = read(
        '[api]\noperator_keys = "key-0123456789-a"\n[api.operators.anna]\nkeys = "key-0123456789-b"', tmp_path
    ).settings.api
    assert [key.get_secret_value()[-1] for key in api.all_operator_keys] == ["a", "b"]
    variable = {"WILLCALL_API__OPERATORS__BEN__KEYS": "key-0123456789-c"}
    assert read("", tmp_path, **variable).settings.api.operators["ben"].keys
    (error,) = errors_of("[api.operators.anna]", tmp_path)
    assert error == "api.operators.anna.keys: is missing"


def test_every_error_is_reported_at_once_and_without_secrets(tmp_path: Path) -> None:
    text = """
    redis_url = "http://localhost"
    colour = "red"
    [api]
    max_webhook_bytes = 0
    [metrics]
    port = 70000
    [notify]
    secret = "s3cret"
    [providers.nobody.default]
    api_key = "s3cret"
    [providers.tiqets.default]
    api_key = "s3cret"
    api_kee = "s3cret"
    [providers.tiqets.default.rate]
    limit = 0
    [providers.tiqets.default.polling]
    interval = [600, 300]
    initial = 700
    [providers.paylogic.default]
    username = "only"
    """
    errors = errors_of(text, tmp_path, WILLCALL_API__KEYS="[oops")
    for field in (
        "redis_url",
        "colour",
        "api.max_webhook_bytes",
        "metrics.port",
        "notify.secret.0",
        "providers.nobody",
        "providers.tiqets.default.api_kee",
        "providers.tiqets.default.rate.limit",
        "providers.tiqets.default.polling.interval",
        "providers.paylogic.default",
        "WILLCALL_API__KEYS",
    ):
        assert any(line.startswith(field) for line in errors), (field, errors)
    assert "s3cret" not in "".join(errors)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("redis_url = ", "is not TOML"),
        ("redis_url = 'redis://h:port/'", "redis_url: each host must be a name"),
        ("broker_url = 'redis://[::1'", "broker_url: is not a URL"),
        ("redis_url = 'sentinel://one:26379'", "redis_url: must end with the name of the master"),
        ("broker_url = 'kafka://x'", "broker_url: must start with redis://"),
        ('providers = "x"', "must be a table"),
        ("[providers]\ntiqets = 3", "one table per account"),
        ("[providers.tiqets.default]\napi_key = 'k'\nrate = 3", "must be a table"),
        ("[providers.tiqets.default]\napi_key = 'k'\npolling = {cap = 1}", "cap must not be below initial"),
        ("[providers.tiqets.default]\napi_key = 'k'\nbase_url = 'http://api.tiqets.com'", "must be https"),
        ("[providers.tiqets.default.rate]\nlimit = nan", "finite"),
        ('notify = {secret = "whsec_"}', "notify.secret.0: must be whsec_ and the base64 of 24 to 64 random bytes"),
        (f'notify = {{secret = "whsec_{b64encode(bytes(23)).decode()}"}}', "notify.secret.0: must be whsec_"),
        (f'notify = {{secret = "whsec_{b64encode(bytes(65)).decode()}"}}', "notify.secret.0: must be whsec_"),
        (f'notify = {{secret = "{b64encode(bytes(32)).decode()}"}}', "notify.secret.0: must be whsec_"),
        ('notify = {secret = "whsec_not base64, though it is long enough"}', "notify.secret.0: must be whsec_"),
        ('notify = {secret = "whsec_größer"}', "notify.secret.0: must be whsec_"),
        ('notify = {ops_url = "ftp://s3cret.example"}', "notify.ops_url: must start with http://, https://"),
        ('notify = {ops_url = "alerts.example/hook"}', "notify.ops_url: must start with http://, https://"),
        ('notify = {ops_url = "https:///hook"}', "notify.ops_url: must have a host and no credentials"),
        ('notify = {ops_url = "https://me:s3cret@h/"}', "notify.ops_url: must have a host and no credentials"),
        ('notify = {ops_url = "https://h:port/"}', "notify.ops_url: is not a URL"),
        ("notify = {throttled_after = 0}", "notify.throttled_after: must be more than 0"),
    ],
)
def test_errors_are_explained(tmp_path: Path, text: str, words: str) -> None:
    assert any(words in error for error in errors_of(text, tmp_path)), errors_of(text, tmp_path)


@pytest.mark.parametrize("length", [24, 32, 64])
@pytest.mark.parametrize("padding", ["", "="])
def test_a_signing_secret_is_accepted_with_or_without_padding(tmp_path: Path, length: int, padding: str) -> None:
    secret = "whsec_" + b64encode(bytes(range(length))).decode().rstrip("=")
    secret += "=" * (-len(secret.removeprefix("whsec_")) % 4) if padding else ""
    (taken,) = read(f'[notify]\nsecret = "{secret}"', tmp_path).settings.notify.secret
    assert Webhook(taken.get_secret_value()).sign("id", datetime.now(UTC), "{}").startswith("v1,")


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    (tmp_path / "willcall.toml").write_text('[api]\nkeys = ["0123456789abcdef"]', encoding="utf-8-sig")
    assert len(load({}, tmp_path).settings.api.keys) == 1


def test_a_configuration_that_would_block_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "willcall.toml")
    with pytest.raises(ConfigError, match="is not a regular file"):
        load({}, tmp_path)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load({"WILLCALL_CONFIG": str(tmp_path / "absent.toml")}, tmp_path)


def test_the_error_for_an_unknown_account_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownAccountError, match=r"tiqets/other.*tiqets/default, voordemensen/theatre"):
        read(GOOD, tmp_path).account("tiqets", "other")


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    config = read(GOOD, tmp_path, WILLCALL_REDIS_URL="redis://:p4ss@redis/0")
    assert "s3cret" not in repr(config)
    assert "p4ss" not in repr(config)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("var/documents", "must be a URL"),
        ("", "must be a URL"),
        ("s3:/bucket", "must be a URL"),
        ("simplecache::s3://bucket", "must be a URL"),
        ("floppy://a", "floppy://, which no file system supports"),
        ("s3:///prefix", "names no bucket"),
        ("file://{tmp_path}/willcall.toml", "not a folder"),
        ("file://{tmp_path}/willcall.toml/documents", "not a folder"),
    ],
)
def test_an_unusable_document_store_is_an_error(url: str, words: str, tmp_path: Path) -> None:
    if url.startswith("s3:///"):
        pytest.importorskip("s3fs")
    (error,) = errors_of(f'documents_url = "{url.format(tmp_path=tmp_path)}"', tmp_path)
    assert error.startswith("documents_url: ")
    assert words in error


def test_s3_without_its_package_is_an_error_that_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_: str) -> None:
        raise ImportError("no s3fs")

    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    (error,) = errors_of('documents_url = "s3://tickets/willcall"', tmp_path)
    assert error == "documents_url: needs `pip install 'willcall[s3]'`"


@pytest.mark.parametrize("url", ["file://./var/documents", "file:///tmp/willcall/new/folder", "memory://x"])
def test_document_stores_are_accepted(url: str, tmp_path: Path) -> None:
    assert read(f'documents_url = "{url}"', tmp_path).settings.documents_url == url


def test_every_entry_of_outbound_allow_is_checked(tmp_path: Path) -> None:
    text = '[outbound]\nallow = ["127.0.0.0/8", "backend.internal", "http://x.internal", "10.0.0.1/8", "fd00::/8"]'
    first, second = errors_of(text, tmp_path)
    assert first.startswith("outbound.allow.2: is neither a network")
    assert second == "outbound.allow.3: has host bits set; did you mean 10.0.0.0/8?"
    allowed = read("", tmp_path, WILLCALL_OUTBOUND__ALLOW='["127.0.0.0/8", "localhost"]').settings.outbound.allow
    assert allowed == ("127.0.0.0/8", "localhost")


@pytest.mark.parametrize("name", ["eu west", "", "-eu", "eu.west", "eu/west", "é", "a" * 65, "eu\n", "*", "٣"])
def test_an_invalid_account_name_is_an_error(name: str, tmp_path: Path) -> None:
    key = json.dumps(name, ensure_ascii=False)
    (error,) = errors_of(f'[providers.tiqets.{key}]\napi_key = "k"', tmp_path)
    assert error.startswith("providers.tiqets.")
    assert "account names have 1 to 64" in error
    assert "\n" not in error
    with pytest.raises(RejectedOrderError):
        parse_submission({"provider": "tiqets", "reference": "1", "account": name})


@pytest.mark.parametrize("name", ["default", "EU", "eu_west-2", "1", "a" * 64])
def test_a_valid_account_name_is_accepted(name: str, tmp_path: Path) -> None:
    account = read(f'[providers.tiqets.{name}]\napi_key = "k"', tmp_path).account("tiqets", name)
    assert parse_submission({"provider": "tiqets", "reference": "1", "account": name}).account == account.name


def test_an_account_from_the_environment_is_checked_too(tmp_path: Path) -> None:
    (error,) = errors_of("", tmp_path, **{"WILLCALL_PROVIDERS__TIQETS__EU.WEST__API_KEY": "k"})
    assert error.startswith('providers.tiqets."eu.west": account names have 1 to 64')


def test_accounts_that_differ_only_in_case_are_an_error(tmp_path: Path) -> None:
    text = '[providers.tiqets.EU]\napi_key = "k"\n[providers.tiqets.eu]\napi_key = "k"'
    (error,) = errors_of(text, tmp_path)
    assert error.startswith("providers.tiqets.eu: differs from EU only in case")


def test_a_provider_without_an_account_is_an_error(tmp_path: Path) -> None:
    (error,) = errors_of("[providers.tiqets]", tmp_path)
    assert error == "providers.tiqets: needs one table per account, such as [providers.tiqets.default]"


def test_a_provider_in_capitals_is_suggested_in_lower_case(tmp_path: Path) -> None:
    (error,) = errors_of('[providers.Tiqets.default]\napi_key = "k"', tmp_path)
    assert error.startswith("providers.Tiqets: unknown provider; did you mean tiqets?")
    (error,) = errors_of('[providers."no such".default]\napi_key = "k"', tmp_path)
    assert error.startswith('providers."no such": unknown provider; known providers: funtrips')


def test_a_proxy_and_authorities_belong_to_an_account_or_to_urls_from_outside(
    tmp_path: Path, certificate: Path
) -> None:
    text = f"""
    [outbound]
    ca_file = "{certificate}"
    [providers.tiqets.default]
    api_key = "k"
    http = {{proxy_file = "{tmp_path}/proxy", ca_file = ""}}
    [providers.tiqets.eu]
    api_key = "k"
    http = {{proxy = ""}}
    """
    (tmp_path / "proxy").write_text("http://user:s3cret@proxy:3128\n")
    config = read(text, tmp_path)
    assert config.account("tiqets", "default").route.proxy == Proxy("proxy", 3128, False, "user", "s3cret")
    assert config.account("tiqets", "eu").route == DIRECT
    assert config.settings.outbound.route.authorities
    assert "s3cret" not in repr(config)
    assert "PRIVATE KEY" not in config.settings.outbound.route.authorities.pem


def test_a_reload_notices_that_a_file_of_authorities_has_changed(tmp_path: Path, certificate: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    text = f'[providers.tiqets.default]\napi_key = "k"\nhttp = {{ca_file = "{bundle}"}}'
    bundle.write_bytes(certificate.read_bytes())
    before = read(text, tmp_path)
    assert read(text, tmp_path) == before
    bundle.write_bytes(certificate.read_bytes() * 2)
    assert read(text, tmp_path) != before


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ('proxy = "s3cret:3128"', "proxy: must be http(s)://host:port or http(s)://user:password@host:port"),
        ('proxy = "http://user:s3cret/@h:1"', "proxy: is not a URL; write / ? # @ in a password as"),
        ('ca_file = "/absent.pem"', "ca_file: /absent.pem: cannot be read: No such file or directory"),
        ('ca_file = "/"', "ca_file: /: is a folder"),
        ('ca_file = "{folder}/willcall.toml"', "willcall.toml: has no certificate in PEM"),
        ('ca_file = "{folder}/broken.pem"', "broken.pem: has a certificate that cannot be read"),
        ("ca_file = 3", "ca_file: must be the path of a file"),
    ],
)
@pytest.mark.parametrize("table", ["outbound", "providers.voordemensen.default.http"])
def test_an_unusable_proxy_or_file_of_authorities_is_named(
    table: str, setting: str, error: str, tmp_path: Path
) -> None:
    (tmp_path / "broken.pem").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    text = f'[providers.voordemensen.default]\nclient_name = "x"\n[{table}]\n{setting.format(folder=tmp_path)}'
    (found,) = errors_of(text, tmp_path)
    assert found.startswith(f"{table}.")
    assert error in found
    assert "s3cret" not in found


def test_a_private_callback_url_of_the_configuration_must_be_allowed(tmp_path: Path) -> None:
    text = """
    [notify]
    callback_url = "http://10.0.0.1/hook"
    [api.clients.shop]
    keys = ["0123456789abcdef"]
    callback_url = "http://shop:8000/hook"
    [outbound]
    allow = []
    """
    assert errors_of(text, tmp_path) == [
        "notify.callback_url: the address is not public, and not in `outbound.allow`",
        "api.clients.shop.callback_url: the host is in a private network, and not in `outbound.allow`",
    ]
    assert read(text.replace("[]", '["10.0.0.1", "shop"]'), tmp_path)
