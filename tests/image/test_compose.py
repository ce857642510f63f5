"""docker-compose.yml, run: every service with its own command, environment and health check."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.image.engine import ROOT, Project, engine
from tests.waiting import wait_until

#: Seconds for all orders of the profile `try`, on a slow machine.
PATIENCE = 300.0
EXPECTED = {f"try-{number}": "fulfilled" for number in range(1, 10)} | {"try-3": "failed", "try-7": "cancelled"}
WILLCALL = ("worker", "beat", "api", "flower")


def health_checks() -> dict[str, list[str]]:
    """The health checks of the services that run in these tests, as commands."""
    services: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    running = {name: each for name, each in services.items() if set(each.get("profiles", ["try"])) == {"try"}}
    tests = {name: each.get("healthcheck", {}).get("test", []) for name, each in running.items()}
    return {name: test[1:] for name, test in tests.items() if test}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The profile `try`, as a stranger starts it."""
    project = Project("willcall-check", tmp_path_factory.mktemp("compose"), "--env-file", "try.env")
    for service in ("redis", "simulator"):  # podman-compose, with Podman 4, waits for no condition of `depends_on`
        project("--profile", "try", "up", "--detach", service)
        wait_until(lambda service=service: healthy(project, service), PATIENCE)
    started = project("--profile", "try", "up", "--detach")
    yield project
    ended = project("--profile", "try", "down", "--volumes", "--timeout", "60")
    assert (started.code, ended.code) == (0, 0), started.text + ended.text


def healthy(project: Project, service: str) -> bool:
    return project.execute(service, *health_checks()[service]).code == 0


def test_a_stranger_sees_every_order_end(project: Project) -> None:
    def told() -> dict[str, str]:
        events = re.findall(r"^order\.(\w+) (try-\d+) ", project.logs("shop"), re.MULTILINE)
        return {order: status for status, order in events}

    try:
        wait_until(lambda: told() == EXPECTED, PATIENCE)
    finally:
        print(*(project.logs(service) for service in ("orders", "shop", "worker")), sep="\n")  # noqa: T201 - if it fails


def test_every_service_passes_its_health_check(project: Project) -> None:
    assert health_checks().keys() == {"redis", "simulator", *WILLCALL}
    for service in health_checks():
        wait_until(lambda service=service: healthy(project, service))


@pytest.mark.parametrize("service", WILLCALL)
def test_the_images_own_health_check_finds_what_the_container_runs(project: Project, service: str) -> None:
    wait_until(lambda: project.execute(service, "willcall", "doctor", "--self", "auto").code == 0)


def test_the_containers_are_not_root_and_can_write_only_where_they_must(project: Project) -> None:
    for service in WILLCALL:
        assert project.execute(service, "id", "-u").out.strip() == "999"
        assert project.execute(service, "touch", "/opt/willcall/file").code != 0
    modes = project.execute("worker", "sh", "-c", "stat -c %a /var/lib/willcall/var/documents /var/lib/willcall/var")
    assert modes.out.split() == ["700", "700"]
    assert project.execute("api", "sh", "-c", "ls /var/lib/willcall/var/documents/*/*.pdf").code == 0


def test_a_worker_that_is_stuck_becomes_unhealthy(project: Project) -> None:
    engine("kill", "--signal", "STOP", project.container("worker"))
    try:
        wait_until(lambda: not healthy(project, "worker"))
        assert healthy(project, "beat")
    finally:
        engine("kill", "--signal", "CONT", project.container("worker"))
    wait_until(lambda: healthy(project, "worker"))


def test_without_redis_a_container_stays_healthy_and_the_api_is_not_ready(project: Project) -> None:
    """To restart it would not help. A proxy and Kubernetes look at /readyz."""
    ready = ("python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/readyz')")
    assert project.execute("api", *ready).code == 0
    engine("stop", project.container("redis"))
    try:
        for service in ("worker", "beat", "api"):
            checked = project.execute(service, "willcall", "doctor", "--self", "auto")
            assert (checked.code, "Redis is unreachable" in " ".join(checked.out.split())) == (0, True)
        assert project.execute("api", *ready).code != 0
    finally:
        engine("start", project.container("redis"))
    wait_until(lambda: project.execute("api", *ready).code == 0)
    for service in ("worker", "beat", "api"):
        wait_until(lambda service=service: healthy(project, service))


@pytest.mark.parametrize("service", [*WILLCALL, "simulator"])
def test_sigterm_reaches_the_process_and_ends_it(project: Project, service: str) -> None:
    container = project.container(service)
    engine("stop", "--time", "60", container)
    try:
        assert engine("inspect", "--format", "{{.State.ExitCode}}", container).out.split()[-1] == "0"
    finally:
        engine("start", container)


def test_a_missing_configuration_is_an_error_and_makes_no_folder(tmp_path: Path) -> None:
    settings = tmp_path / "settings.env"
    lines = ["CONFIG_FILE=./missing.toml", "FLOWER_BASIC_AUTH=operator:password"]
    lines += [f"WILLCALL_{kind}_KEY=0123456789abcdef" for kind in ("API", "OPERATOR")]
    settings.write_text("\n".join(lines))
    project = Project("willcall-missing", tmp_path, "--env-file", str(settings))
    try:
        started = project("up", "--detach", "beat")
        assert started.code != 0
        assert "bind source path does not exist" in started.text
        assert not (ROOT / "missing.toml").exists()
    finally:
        project("down", "--volumes")


def test_a_missing_key_is_an_error_that_names_the_way_to_try_it(tmp_path: Path) -> None:
    (tmp_path / "empty.env").touch()
    started = Project("willcall-missing", tmp_path, "--env-file", str(tmp_path / "empty.env"))("--profile", "try", "up")
    assert started.code != 0
    assert "--env-file try.env" in started.text
