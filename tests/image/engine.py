"""Docker or Podman, and Compose, as their commands."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Seconds that one command may take on a slow machine.
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to. `text` is what it wrote to stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> Ended:
    ended = subprocess.run(  # noqa: S603 - our own commands
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def engine(*words: str) -> Ended:
    return run([os.environ["WILLCALL_IMAGE_ENGINE"], *words])


def run_image(image: str, *command: str, options: Sequence[str] = ()) -> Ended:
    """Run a command in a container that has nothing but itself: no network, no capability, nothing to write to."""
    alone = ["--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    if os.environ["WILLCALL_IMAGE_ENGINE"] == "podman":
        alone.append("--read-only-tmpfs=false")
    return engine("run", "--rm", *alone, *options, image, *command)


class Project:
    """A project of the compose file, under a name of its own and without ports on this machine."""

    def __init__(self, name: str, folder: Path, *files: str) -> None:
        self._name = name
        override = folder / "override.yml"
        override.write_text("services:\n" + "".join(f"  {each}:\n    ports: !reset []\n" for each in ("api", "flower")))
        self._options = ["--project-name", name, *files, "--file", "docker-compose.yml", "--file", str(override)]

    def __call__(self, *words: str) -> Ended:
        return run([*shlex.split(os.environ["WILLCALL_COMPOSE"]), *self._options, *words])

    def container(self, service: str) -> str:
        """Return the name of a service's first container; Compose and podman-compose differ in one character."""
        names = engine("ps", "--all", "--format", "{{.Names}}").out.split()
        return next(name for name in names if name.replace("_", "-") == f"{self._name}-{service}-1")

    def execute(self, service: str, *command: str) -> Ended:
        return engine("exec", self.container(service), *command)

    def logs(self, service: str) -> str:
        return engine("logs", self.container(service)).text
