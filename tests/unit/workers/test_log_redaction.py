"""What log lines contain: types of errors, templates of libraries, no secret."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from base64 import b64encode
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests
import structlog
from pydantic import BaseModel, ValidationError
from redis.exceptions import AuthenticationError, RedisError

from tests.contract.credentials import TABLES
from tests.own_logging import own_logging
from willcall.config import load
from willcall.orders.errors import UnknownOrderError
from willcall.stores.connection import connect
from willcall.stores.file_storage import StorageError
from workers.log_redaction import REDACTED, WITHHELD, Redactor, describe_error, format_traceback, secret_values
from workers.logs import configure_logging

SECRET = "Vdm94-QmBxG-9WhAj"
URL = f"https://api.voordemensen.example/v1/demo/order/{SECRET}"

Written = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """The lines that the process has logged."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with own_logging():
        configure_logging(load({"WILLCALL_PROVIDERS__TIQETS__DEFAULT__API_KEY": "key-of-tiqets"}))
        yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    assert SECRET not in stream.getvalue()


def not_sent() -> Exception:
    """An error of requests, whose text has the URL."""
    try:
        requests.get(URL.replace("https", "no-such-scheme"), timeout=1)
    except requests.RequestException as error:
        return error
    raise AssertionError


def invalid() -> Exception:
    class Order(BaseModel):
        number: int

    try:
        Order.model_validate({"number": SECRET})
    except ValidationError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (not_sent(), "requests.exceptions.InvalidSchema"),
        (invalid(), "pydantic_core._pydantic_core.ValidationError"),
        (KeyError(SECRET), "KeyError"),
        (FileNotFoundError(2, SECRET, SECRET), "FileNotFoundError: No such file or directory"),
        (UnknownOrderError("ord-1"), f"willcall.orders.errors.UnknownOrderError: {UnknownOrderError('ord-1')}"),
    ],
)
def test_an_error_is_described_by_its_type_and_by_our_own_or_the_systems_message(error: Exception, words: str) -> None:
    assert describe_error(error) == words


def test_an_unreachable_redis_is_logged_with_the_reason() -> None:
    with pytest.raises(RedisError) as raised, connect("redis://127.0.0.1:1", timeout=1.0, retries=0) as client:
        client.ping()
    assert describe_error(raised.value) == "redis.exceptions.ConnectionError: Connection refused"
    refused = describe_error(AuthenticationError(SECRET))
    assert refused.endswith(": Redis refuses the user and password of its URL, or their absence")


def test_a_traceback_has_every_cause_and_no_values() -> None:
    local = SECRET
    try:
        try:
            json.loads(f"{local}")
        except ValueError as error:
            raise StorageError("it cannot be read") from error
    except StorageError as error:
        text = format_traceback(error)
    assert text.index("\njson.decoder.JSONDecodeError\n") < text.index("direct cause")
    assert text.endswith("willcall.stores.file_storage.StorageError: it cannot be read\n")
    assert "in test_a_traceback_has_every_cause" in text
    assert SECRET not in text


def test_groups_and_cycles_of_errors_are_formatted_once() -> None:
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__context__, second.__context__ = second, first
    text = format_traceback(ExceptionGroup(SECRET, [first, second]))
    assert "  | ValueError" in text
    assert SECRET not in text


def test_our_own_lines_have_their_fields_and_described_errors(written: Written) -> None:
    structlog.get_logger("willcall.x").warning("broker unreachable", order="ord-1", error=not_sent(), seconds=1.5)
    [line] = written()
    assert line["error"] == "requests.exceptions.InvalidSchema"
    assert (line["order"], line["seconds"], line["level"], line["logger"]) == ("ord-1", 1.5, "warning", "willcall.x")
    assert list(line)[:3] == ["timestamp", "level", "event"]


def test_a_secret_of_the_configuration_is_redacted_wherever_it_comes_from(written: Written) -> None:
    structlog.get_logger("willcall.x").info("odd", detail={"deep": ["Bearer key-of-tiqets"]})
    assert written()[0]["detail"] == {"deep": ["Bearer ***"]}


def test_lines_of_libraries_have_the_fields_of_the_task(written: Written) -> None:
    with structlog.contextvars.bound_contextvars(order="ord-1"):
        logging.getLogger("kombu.connection").warning("lost %d", 1)
    assert written()[0]["order"] == "ord-1"


def test_a_librarys_line_is_its_template_with_numbers_and_types_of_errors(written: Written) -> None:
    log = logging.getLogger("library.part")
    cannot_connect = "consumer: Cannot connect to %s: %s.\n%s"
    log.error(cannot_connect, "redis://:**@host", not_sent(), "Trying again in 2 seconds")
    log.info("%s: %r after %d tries of %.1f s", SECRET, not_sent(), 3, 2.5)
    log.info("%(name)s[%(id)s] %(ok)s failed", {"name": SECRET, "id": 7, "ok": True})
    log.info("does not fit: %s into %d", SECRET, Decimal(3))
    assert [line["event"] for line in written()] == [
        "consumer: Cannot connect to redis://:**@host: requests.exceptions.InvalidSchema.\nTrying again in 2 seconds",
        "…: requests.exceptions.InvalidSchema after 3 tries of 2.5 s",
        "…[7] True failed",
        "does not fit: %s into %d",
    ]


def test_a_librarys_message_that_may_be_formatted_already_is_withheld_unless_it_is_known(written: Written) -> None:
    log = logging.getLogger("library.part")
    log.error(f"lost {SECRET}")  # noqa: G004 - as libraries do
    log.error(not_sent())
    log.error("it failed", exc_info=ValueError(SECRET))
    log.info("Events of group {task} enabled by remote.")
    assert [line["event"] for line in written()] == [*[WITHHELD] * 3, "Events of group {task} enabled by remote."]
    assert written()[0]["at"].startswith("test_log_redaction.py:")
    assert written()[2]["exception"] == "ValueError"
    assert written()[2]["logger"] == "library.part"


def test_uncaught_exceptions_are_logged(written: Written) -> None:
    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(SECRET), None)
    warnings.showwarning(UserWarning(SECRET), UserWarning, __file__, 7)
    loop = asyncio.new_event_loop()
    loop.call_exception_handler({"message": SECRET, "exception": ValueError(SECRET)})
    loop.close()
    thread_failed, process_failed, warning, looped = written()
    assert thread_failed["event"] == "thread failed"
    assert thread_failed["exception"].endswith("\nValueError")
    assert process_failed["level"] == "critical"
    assert (warning["category"], warning["at"]) == ("UserWarning", "test_log_redaction.py:7")
    assert looped["event"] == WITHHELD


ACCOUNTS = {
    f"WILLCALL_PROVIDERS__{provider}__{name}__{field}".upper(): value
    for provider, tables in TABLES.items()
    for name, table in zip(("default", "second"), tables, strict=False)
    for field, value in table.items()
}
ENVIRONMENT = ACCOUNTS | {
    "WILLCALL_REDIS_URL": "sentinel://user:p%40ss-of-redis@redis.example:26379/main/0?sentinel_password=of-sentinels",
    "WILLCALL_BROKER_URL": "amqp://guest:pass-of-rabbit@rabbit.example//",
    "WILLCALL_DOCUMENTS_URL": "file:///tmp/documents",
    "WILLCALL_API__KEYS": '["key-of-the-backend"]',
    "WILLCALL_OUTBOUND__PROXY": "http://user:pass%2Fof-proxy@proxy:3128",
    "WILLCALL_NOTIFY__SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def test_every_secret_of_a_configuration_is_found() -> None:
    credentials = {value for value in ACCOUNTS.values() if "s3cret" in value}
    assert len(credentials) == 8
    others = {
        "p@ss-of-redis",
        "of-sentinels",
        "pass-of-rabbit",
        "key-of-the-backend",
        "http://user:pass%2Fof-proxy@proxy:3128",
        "pass/of-proxy",
        b64encode(b"user:pass/of-proxy").decode(),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b64encode(b"app:s3cret-password").decode(),
    }
    assert secret_values(load(ENVIRONMENT)) == credentials | others


ODD = 'pa"ss/wörd'


@pytest.mark.parametrize(
    "line",
    [
        f"Bearer {ODD}",
        f"https://host/?key={quote(ODD, safe='')}",
        f"https://host/{quote(ODD)}/more",
        json.dumps({"key": ODD}),
    ],
)
def test_a_secret_is_found_however_it_is_written(line: str) -> None:
    redacted = Redactor([ODD])(None, "info", line)
    assert REDACTED in redacted
    assert "pa" not in redacted


def test_a_secret_within_another_one_is_redacted_completely() -> None:
    assert Redactor(["word", "pass-word-plus"])(None, "info", "a pass-word-plus b") == f"a {REDACTED} b"


def test_short_secrets_are_not_searched_for() -> None:
    assert Redactor(["dev", ""])(None, "info", "a device") == "a device"


def test_a_process_logs_the_variables_without_effect_once(capsys: pytest.CaptureFixture[str]) -> None:
    config = load({"WILLCALL_COLOUR": SECRET})
    with own_logging():
        configure_logging(config, logging.WARNING)
        assert not capsys.readouterr().err
        configure_logging(config)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["warnings"]) == ("warning", ["WILLCALL_COLOUR: is not a setting and has no effect"])


def test_old_secrets_are_redacted_after_new_ones_were_added() -> None:
    redactor = Redactor(["old-secret"])
    redactor.add(["new-secret"])
    assert redactor(None, "", "old-secret and new-secret") == f"{REDACTED} and {REDACTED}"
