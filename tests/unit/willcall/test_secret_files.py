"""Secrets in files: every secret setting has a `_file`, and what is wrong with a file is named without its content."""

import json
import os
from pathlib import Path

import pytest

from tests.unit.willcall.test_config import errors_of, read
from willcall.providers.credentials import Credentials
from willcall.providers.registry import ADAPTERS
from willcall.setting_types.secrets import HeaderSecret, OneOrMore, Secret

SECRET = "s3cret-of-this-test"
TIQETS = "[providers.tiqets.default]\n"


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def api_key_from(path: object, folder: Path, more: str = "") -> str:
    config = read(f"{TIQETS}api_key_file = {json.dumps(str(path))}\n{more}", folder)
    return str(config.account("tiqets", "default").credentials.model_dump()["api_key"].get_secret_value())


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_a_secret_is_read_from_a_file_without_the_line_break_at_its_end(tmp_path: Path, end: str) -> None:
    assert api_key_from(write(tmp_path / "tiqets", SECRET + end), tmp_path) == SECRET


def test_a_mounted_symlink_is_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    write(tmp_path / "..data" / "tiqets", SECRET)
    (tmp_path / "tiqets").symlink_to("..data/tiqets")
    assert api_key_from(tmp_path / "tiqets", tmp_path) == SECRET


def test_addresses_that_hold_passwords_are_read_from_files(tmp_path: Path) -> None:
    path = write(tmp_path / "url", f"redis://:{SECRET}@redis/0\n")
    config = read(f'redis_url_file = "{path}"\nbroker_url_file = "{path}"', tmp_path)
    assert config.settings.redis_url == config.settings.broker_url == f"redis://:{SECRET}@redis/0"
    assert "redis_url" in config.settings.model_fields_set


def test_the_variable_of_a_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "tiqets", SECRET)
    config = read("", tmp_path, WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY_FILE=str(path))
    assert config.account("tiqets", "default").credentials.model_dump()["api_key"].get_secret_value() == SECRET


def test_a_list_is_one_secret_per_line_of_one_or_several_files(tmp_path: Path) -> None:
    old = write(tmp_path / "old", "a-key-of-0123456789\r\nb-key-of-0123456789\n\n")
    new = write(tmp_path / "new", "c-key-of-0123456789")
    keys = read(f'[api]\noperator_keys_file = "{old}"', tmp_path).settings.api.operator_keys
    assert [key.get_secret_value()[0] for key in keys] == ["a", "b"]
    keys = read(f'[api]\noperator_keys_file = ["{new}", "{old}"]', tmp_path).settings.api.operator_keys
    assert [key.get_secret_value()[0] for key in keys] == ["c", "a", "b"]


def test_a_list_of_one_secret_may_be_the_secret(tmp_path: Path) -> None:
    (key,) = read(f'[api]\nkeys = "{SECRET}"', tmp_path).settings.api.keys
    assert key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (SECRET.encode("utf-16"), "is not UTF-8"),
        (SECRET.encode() * 4000, "is larger than 64 KiB"),
        (f"\ufeff{SECRET}".encode(), "begins with a byte order mark"),
        (f"{SECRET}\nmore".encode(), "contains a line break"),
        (f" {SECRET}".encode(), "begins or ends with a blank"),
        (f"{SECRET} \n".encode(), "begins or ends with a blank"),
        (f"{SECRET}é".encode(), "must be printable ASCII"),
        (f"s3\u200bcret{SECRET}".encode(), "contains an invisible character"),
        (f"s3\x00cret{SECRET}".encode(), "control character"),
    ],
)
def test_what_is_wrong_with_a_file_is_named_and_its_content_is_not_shown(
    tmp_path: Path, content: bytes, words: str
) -> None:
    path = write(tmp_path / "tiqets", content)
    (error,) = errors_of(f'{TIQETS}api_key_file = "{path}"', tmp_path)
    assert error.startswith("providers.tiqets.default.api_key: ")
    assert words in error
    assert "s3cret" not in error


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name, words in {
        "absent": "cannot be read: No such file or directory",
        "folder": "is a folder (Docker creates one",
        "pipe": "is not a regular file",
    }.items():
        (error,) = errors_of(f'{TIQETS}api_key_file = "{tmp_path}/{name}"', tmp_path)
        assert error.startswith(f"providers.tiqets.default.api_key: api_key_file {tmp_path}/{name}: {words}")


def test_a_secret_in_place_of_a_path_is_not_shown(tmp_path: Path) -> None:
    (error,) = errors_of(f'{TIQETS}api_key_file = "{SECRET}"', tmp_path)
    assert error.endswith("api_key_file (in the current folder): cannot be read: No such file or directory")


@pytest.mark.parametrize("value", ["3", "true", '["/a"]', "{}"])
def test_a_path_that_is_no_text_is_named(tmp_path: Path, value: str) -> None:
    (error,) = errors_of(f"{TIQETS}api_key_file = {value}", tmp_path)
    assert error == "providers.tiqets.default.api_key: api_key_file must be the path of a file"


def test_a_secret_that_is_given_twice_is_an_error(tmp_path: Path) -> None:
    path = write(tmp_path / "tiqets", SECRET)
    (error,) = errors_of(f'{TIQETS}api_key = "k"\napi_key_file = "{path}"', tmp_path)
    assert error == "providers.tiqets.default.api_key: is given twice: itself and as api_key_file"


def test_a_variable_replaces_the_other_form_of_the_secret_in_the_file(tmp_path: Path) -> None:
    variable = "WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY"
    path = str(write(tmp_path / "tiqets", SECRET))
    config = read(f'{TIQETS}api_key = "k"', tmp_path, **{f"{variable}_FILE": path})
    assert config.account("tiqets", "default").credentials.model_dump()["api_key"].get_secret_value() == SECRET
    config = read(f'{TIQETS}api_key_file = "/absent"', tmp_path, **{variable: SECRET})
    assert config.account("tiqets", "default").credentials.model_dump()["api_key"].get_secret_value() == SECRET
    (error,) = errors_of("", tmp_path, **{variable: SECRET, f"{variable}_FILE": path})
    assert error.endswith("is given twice: itself and as api_key_file")


def test_other_settings_have_no_file(tmp_path: Path) -> None:
    (error,) = errors_of(f'{TIQETS}api_key = "k"\nbase_url_file = "/x"', tmp_path)
    assert error == "providers.tiqets.default.base_url_file: is not recognized; did you mean base_url?"


@pytest.mark.parametrize("provider", sorted(ADAPTERS))
def test_every_secret_of_a_provider_may_be_in_a_file(provider: str) -> None:
    credentials = ADAPTERS[provider].credentials
    secrets = {name for name, field in credentials.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert {f"{name}_file" for name in secrets} <= credentials.file_settings().keys()


class _PluginCredentials(Credentials):
    password: Secret | None = None
    tokens: OneOrMore[HeaderSecret]


def test_the_credentials_of_a_plugin_have_files_too(tmp_path: Path) -> None:
    path = write(tmp_path / "tokens", "one\ntwo\n")
    table = {"base_url": "https://p.example", "tokens_file": str(path), "password_file": str(path)}
    with pytest.raises(ValueError, match="contains a line break"):
        _PluginCredentials.model_validate(table)
    del table["password_file"]
    assert [each.get_secret_value() for each in _PluginCredentials.model_validate(table).tokens] == ["one", "two"]
