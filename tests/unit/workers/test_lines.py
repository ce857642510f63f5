"""What a line of the log says of errors and of libraries' records: never what they were given."""

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import requests
import structlog
from pydantic import BaseModel, ValidationError

from tests.own_logging import own_logging
from willcall.config import load
from willcall.orders.errors import UnknownOrderError
from willcall.stores.file_storage import StorageError
from workers.lines import WITHHELD, described, stack_of
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
    """What requests raises where nobody listens: its text holds the address."""
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
        (UnknownOrderError("ord-1"), "willcall.orders.errors.UnknownOrderError: there is no order ord-1"),
    ],
)
def test_an_error_is_its_type_and_what_we_or_the_system_say_of_it(error: Exception, words: str) -> None:
    assert described(error) == words


def test_a_stack_has_all_that_led_to_it_and_no_values() -> None:
    local = SECRET
    try:
        try:
            json.loads(f"{local}")
        except ValueError as error:
            raise StorageError("it cannot be read") from error
    except StorageError as error:
        text = stack_of(error)
    assert text.index("\njson.decoder.JSONDecodeError\n") < text.index("direct cause")
    assert text.endswith("willcall.stores.file_storage.StorageError: it cannot be read\n")
    assert "in test_a_stack_has_all_that_led_to_it" in text
    assert SECRET not in text


def test_a_group_of_errors_and_one_that_leads_to_itself_end() -> None:
    first, second = ValueError(SECRET), KeyError(SECRET)
    first.__context__, second.__context__ = second, first
    text = stack_of(ExceptionGroup(SECRET, [first, second]))
    assert "  | ValueError" in text
    assert SECRET not in text


def test_our_own_lines_show_their_fields_and_their_errors_in_words(written: Written) -> None:
    structlog.get_logger("willcall.x").warning("broker unreachable", order="ord-1", error=not_sent(), seconds=1.5)
    [line] = written()
    assert line["error"] == "requests.exceptions.InvalidSchema"
    assert (line["order"], line["seconds"], line["level"], line["logger"]) == ("ord-1", 1.5, "warning", "willcall.x")
    assert list(line)[:3] == ["timestamp", "level", "event"]


def test_a_secret_of_the_configuration_is_masked_wherever_it_comes_from(written: Written) -> None:
    structlog.get_logger("willcall.x").info("odd", detail={"deep": ["Bearer key-of-tiqets"]})
    assert written()[0]["detail"] == {"deep": ["Bearer ***"]}


def test_the_context_of_a_task_is_on_libraries_lines_too(written: Written) -> None:
    with structlog.contextvars.bound_contextvars(order="ord-1"):
        logging.getLogger("kombu.connection").warning("lost")
    assert written()[0]["order"] == "ord-1"


LIBRARY = """
import logging
from decimal import Decimal
log = logging.getLogger("library.part")
CONNECTION = "consumer: Cannot connect to %s: %s.\\n%s"

def lines(secret, error):
    log.error(CONNECTION, "redis://:**@host", error, "Trying again in 2 seconds")
    log.info("%s: %r after %d tries of %.1f s", secret, error, 3, 2.5)
    log.info("%(name)s[%(id)s] %(ok)s" " failed", {"name": secret, "id": 7, "ok": True})
    log.info("nothing fits %s into %d", secret, Decimal(3))
    log.info("ready")
    log.error(f"lost {secret}")
    log.error(secret)
    log.error(error)
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("it failed")
"""


def test_a_librarys_line_shows_what_stands_in_its_source_and_numbers_and_kinds_of_errors(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_library.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    import_module("a_library").lines(SECRET, not_sent())
    assert [line["event"] for line in written()] == [
        "consumer: Cannot connect to redis://:**@host: requests.exceptions.InvalidSchema.\nTrying again in 2 seconds",
        "…: requests.exceptions.InvalidSchema after 3 tries of 2.5 s",
        "…[7] True failed",
        "nothing fits %s into %d",
        "ready",
        *[WITHHELD] * 3,
        "it failed",
    ]
    assert written()[5]["at"] == "a_library.py:13"
    assert written()[8]["exception"].endswith("\nValueError")
    assert written()[8]["logger"] == "library.part"


def test_what_nobody_caught_ends_in_the_log(written: Written) -> None:
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
    assert (warning["category"], warning["at"]) == ("UserWarning", "test_lines.py:7")
    assert looped["event"] == WITHHELD
