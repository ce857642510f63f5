"""The two releases: where their code is, and what runs it."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from willcall.devtools.local_deployment import ChildProcess

ROOT = Path(__file__).parents[2]
#: Names the last release: its version and its commit.
RELEASED = ROOT / ".ci" / "released"


class NoReleaseError(Exception):
    """There is no release to upgrade from. The message says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release in a folder, and the Python that runs it."""

    name: str
    folder: Path
    python: str

    def launch(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> ChildProcess:
        """Start `willcall <command>` of this release: Python prefers the code of the folder that it starts in."""
        with log.open("ab") as output:
            return subprocess.Popen(
                [self.python, "-m", "willcall.cli", *command],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )


CURRENT = Release("this release", ROOT, sys.executable)


def released_commit() -> str:
    """Return the commit of the last release. Raises NoReleaseError."""
    lines = [line for line in RELEASED.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    if not lines:
        raise NoReleaseError(f"nothing has been released yet: {RELEASED.relative_to(ROOT)} names no commit")
    return lines[-1].split()[1]


def check_out(commit: str, folder: Path) -> Release:
    """Check a commit out into a folder, with packages of its own if it needs others. Raises NoReleaseError."""
    if _git("cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise NoReleaseError(f"this checkout lacks the history with {commit[:12]}: git fetch --unshallow")
    if (folder / ".git").exists():
        _git("worktree", "remove", "--force", str(folder))
    _git("worktree", "prune")
    added = _git("worktree", "add", "--detach", str(folder), commit)
    if added.returncode:
        raise NoReleaseError(f"git worktree: {added.stderr.strip()}")
    python = sys.executable if _requirements(folder) == _requirements(ROOT) else _install(folder)
    return Release(f"release {commit[:12]}", folder, python)


def remove(release: Release) -> None:
    """Remove what `check_out` made."""
    _git("worktree", "remove", "--force", str(release.folder))


def _requirements(folder: Path) -> tuple[str, list[str]]:
    """Return what decides which packages a release needs."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return (folder / "constraints.txt").read_text(encoding="utf-8"), project["dependencies"]


def _install(folder: Path) -> str:
    """Install what a release needs, pinned by its own constraints, and return its Python."""
    python = str(folder / ".venv" / "bin" / "python")
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
    subprocess.run([*pip, "-e", "."], cwd=folder, check=True)
    return python


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [shutil.which("git") or "git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
