"""Every line that our code logs has a constant text and fields that docs/logging.md documents."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from workers.log_redaction import OUR_PACKAGES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "logging.md").read_text()
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Each call of a logger, with its file."""
    for path in sorted(path for package in OUR_PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and (_of_a_logger(node.func) or _chosen(node.func)):
                yield str(path.relative_to(ROOT)), node


def _of_a_logger(function: ast.expr) -> bool:
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return False
    return isinstance(function.value, ast.Name) and function.value.id == "log"


def _chosen(function: ast.expr) -> bool:
    """`write = log.debug if ... else log.info`."""
    return isinstance(function, ast.Name) and function.id == "write"


def rows() -> dict[str, set[str]]:
    """The documented events with their fields. Events of one row share them."""
    table = PAGE.partition("## Events")[2]
    found = {}
    for row in re.findall(r"^\| `.+\|$", table, re.MULTILINE):
        _, events, _, fields, *_ = row.split("|")
        for event in re.findall("`(.+?)`", events):
            found[event] = set(re.findall("`(.+?)`", fields))
    return found


def test_every_line_has_a_constant_text_and_documented_fields() -> None:
    on_every_line = set(re.findall(r"`([a-z_]+)`", PAGE.partition("## Events")[0]))
    explained, said = rows(), set()
    for place, call in calls():
        text = call.args[0]
        assert isinstance(text, ast.Constant), f"{place}: {ast.unparse(call)}"
        assert len(call.args) == 1, f"{place}: {ast.unparse(call)}"
        said.add(text.value)
        fields = {keyword.arg for keyword in call.keywords} - {None, "exc_info"}
        assert text.value in explained, f"{place}: {text.value} is not in docs/logging.md"
        assert fields <= explained[text.value] | on_every_line, f"{place}: {fields} of {text.value}"
    assert said == set(explained), "documented, but never logged"


def test_no_line_formats_an_error_itself() -> None:
    """The logger describes errors, and shows a message only where it may."""
    for place, call in calls():
        for keyword in call.keywords:
            assert not re.search(r"\b(str|repr)\(error|type\(error", ast.unparse(keyword.value)), f"{place}: {keyword}"
