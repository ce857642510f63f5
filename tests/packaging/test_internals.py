"""Private parts of libraries that the code uses: all are in the table of docs/internals.md."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import getsource, isclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("willcall", "tasks", "schedules", "workers")
LIBRARIES = {
    *("amqp", "celery", "fastapi", "flower", "honcho", "kombu", "redis", "requests", "starlette", "tornado"),
    *("urllib3", "uvicorn"),
}
#: Names of the standard library that are public in spite of their underscore.
PUBLIC = {"_asdict", "_exit", "_replace"}

MODULES = {path: ast.parse(path.read_text()) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def defined_names() -> set[str]:
    """Every name that our own code defines."""
    names = set()
    for tree in MODULES.values():
        for node in ast.walk(tree):
            match node:
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
                case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                    names.add(name)
    return names


def source_of_libraries(cls: object) -> str:
    """The source of the modules that a class's bases come from, if they are of libraries."""
    modules = {base.__module__ for base in cls.__mro__} if isclass(cls) else set()
    return "".join(getsource(sys.modules[name]) for name in modules if name.partition(".")[0] in LIBRARIES)


def private_uses(path: Path, tree: ast.Module, ours: set[str]) -> Iterator[str]:
    """Private names that a module imports, accesses or overrides, as far as can be seen without running it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in LIBRARIES:
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr not in ours:
            yield node.attr
    subclasses = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts)) if subclasses else None
    for subclass in subclasses:
        source = source_of_libraries(getattr(module, subclass.name))
        for node in ast.walk(subclass):
            name = getattr(node, "name", None) or getattr(node, "attr", "")
            if is_private(name) and re.search(rf"(def |self\.|^    ){name}\b", source, re.MULTILINE):
                yield name


def test_every_private_part_of_a_library_that_is_used_is_in_the_table() -> None:
    ours = defined_names()
    used = {
        (str(path.relative_to(ROOT)), name)
        for path, tree in MODULES.items()
        for name in private_uses(path, tree, ours)
        if is_private(name)
    }
    page = (ROOT / "docs" / "internals.md").read_text().partition("These parts are no private names")[0]
    rows = re.findall(r"^\| \w+ \| (`_.+?) \| `(.+?)` \|", page, re.MULTILINE)
    assert used == {(path, name) for names, path in rows for name in re.findall(r"`(\w+)`", names)}
