"""The table of what the providers document: made from its data, with tests that exist and every printed field."""

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from willcall.http.messages import Response
from willcall.providers.lenient_json import read_lenient_object
from willcall.providers.registry import ADAPTERS

ROOT = Path(__file__).parents[2]
FIXTURES = ROOT / "tests" / "fixtures"
#: Languages of a text.
_LANGUAGE = re.compile(r"[a-z]{2}")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("matrix", ROOT / "docs" / "matrix.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["matrix"] = module
    spec.loader.exec_module(module)
    return module


matrix = load()
PROVIDERS: dict[str, Any] = dict(matrix.read())
ENTRIES = [(name, entry) for name, provider in PROVIDERS.items() for entry in provider["entries"]]


def test_every_provider_has_its_table() -> None:
    assert set(PROVIDERS) == set(ADAPTERS)


def test_the_page_is_made_from_the_data() -> None:
    assert matrix.PAGE.read_text() == matrix.page(PROVIDERS) + "\n", "run `python docs/matrix.py`"


@pytest.mark.parametrize(("provider", "entry"), ENTRIES, ids=[f"{name}: {entry['says']}" for name, entry in ENTRIES])
def test_an_entry_is_used_and_shown_or_says_why_not(provider: str, entry: dict[str, Any]) -> None:
    assert 1 <= entry["seed"] <= len(PROVIDERS[provider]["sources"])
    if "outside" in entry:
        assert not entry.keys() & {"becomes", "code", "shown"}, provider
        return
    module, _, name = entry["code"].partition("::")
    assert re.search(rf"\b{name}\b", (ROOT / "willcall" / module).read_text()), entry["code"]
    path, _, test = entry["shown"].partition("::")
    assert entry["becomes"], provider
    assert matrix.target(entry["shown"]).exists(), path
    if test:
        assert f"def {test}(" in matrix.target(entry["shown"]).read_text(), test


def names_in(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not _LANGUAGE.fullmatch(name):
                yield name
            yield from names_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from names_in(inner)


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_field_of_the_documented_responses_has_an_entry(provider: str) -> None:
    entries = PROVIDERS[provider]["entries"]
    named = {name for entry in entries for name in re.findall(r"[\w:]+", entry["says"])}
    named |= {name for entry in entries for name in entry.get("fields", ())}
    for folder in sorted((FIXTURES / provider).iterdir()):
        recorded = json.loads((folder / "status.json").read_text())
        if recorded["source"] == "inferred":
            continue
        body = read_lenient_object(Response(200, {}, (folder / "body").read_bytes(), 0.0))
        assert {*names_in(body), *names_in([*recorded.get("further", {}).values()])} <= named, folder.name
