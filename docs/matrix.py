"""Make docs/providers/matrix.md from docs/providers/matrix.toml: what the providers document, and where it ends up.

Usage: `python docs/matrix.py`
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "providers" / "matrix.toml"
PAGE = DATA.with_suffix(".md")


def read() -> Mapping[str, Any]:
    """Return the entries by provider."""
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


def page(providers: Mapping[str, Any]) -> str:
    """Return the page."""
    return "\n".join(["\n".join(_head(providers)), *("\n".join(_section(each)) for each in providers.values())])


def target(shown: str) -> Path:
    """Return the file or folder of what shows an entry."""
    path, separator, _ = shown.partition("::")
    folder = ROOT / "tests" if separator else ROOT / "tests" / "fixtures"
    return folder / path


def _head(providers: Mapping[str, Any]) -> Iterator[str]:
    yield "<!-- Made by docs/matrix.py from matrix.toml: change that. -->"
    yield ""
    yield "# What becomes of the documentation"
    yield ""
    yield "Each request, field and rule in the providers' documentation, where it ends up, which code does that,"
    yield "and what shows it: a test, or a recorded response in `tests/fixtures/` that tests read."
    yield "Nothing is half done: what Willcall has no use for is listed with the reason."
    yield "The number is that of the page it comes from."
    yield ""
    yield "| provider | documented | used | not used |"
    yield "|---|---|---|---|"
    for each in providers.values():
        unused = sum("outside" in entry for entry in each["entries"])
        yield f"| {each['title']} | {len(each['entries'])} | {len(each['entries']) - unused} | {unused} |"


def _section(provider: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"## {provider['title']}"
    yield ""
    for number, source in enumerate(provider["sources"], 1):
        yield f"{number}. <{source}>"
    yield ""
    yield "| | in the documentation | where it ends up | code | shown by |"
    yield "|---|---|---|---|---|"
    for entry in provider["entries"]:
        if "becomes" in entry:
            code = f"`{entry['code'].removeprefix('providers/')}`"
            yield f"| {entry['seed']} | {entry['says']} | {entry['becomes']} | {code} | {_link(entry['shown'])} |"
    yield ""
    yield "Not used:"
    yield ""
    yield "| | in the documentation | why |"
    yield "|---|---|---|"
    for entry in provider["entries"]:
        if "outside" in entry:
            yield f"| {entry['seed']} | {entry['says']} | {entry['outside']} |"


def _link(shown: str) -> str:
    _, separator, name = shown.partition("::")
    return f"`{name.removeprefix('test_')}`" if separator else f"`{shown}`"


if __name__ == "__main__":
    PAGE.write_text(page(read()) + "\n", encoding="utf-8")
