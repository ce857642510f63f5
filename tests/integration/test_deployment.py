"""What docs/ops/ gives operators to run: every command, variable, port and name in it is a real one."""

import importlib.util
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from redis import Redis
from redis.exceptions import RedisError

from tests.tools import require, require_command
from tests.waiting import wait_until
from willcall.cli.main import load_command
from willcall.config import load
from willcall.devtools.embedded_redis import executable, free_port

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "docs" / "ops" / "kubernetes"
UNITS = ROOT / "docs" / "ops" / "systemd"
#: Kinds that a cluster learns from elsewhere, so no schema of Kubernetes' own knows them.
FOREIGN = {"Kustomization", "ScaledObject"}


def documents() -> list[dict[str, Any]]:
    return [each for path in sorted(KUBERNETES.glob("*.yaml")) for each in yaml.safe_load_all(path.read_text())]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = (each for each in documents() if each["kind"] == kind and each["metadata"]["name"] == name)
    return found


def pods() -> dict[str, dict[str, Any]]:
    """Pod templates by the name of what starts them."""
    return {
        each["metadata"]["name"]: each["spec"]["template"] for each in documents() if "template" in each.get("spec", {})
    }


def containers() -> list[dict[str, Any]]:
    return [container for pod in pods().values() for container in pod["spec"]["containers"]]


def compose() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return services


def commands() -> Iterator[list[str]]:
    """Every `willcall` command line that is shown, without the first word."""
    for container in containers():
        if container["image"] == "willcall":
            yield container["args"]
        probes = (container.get(probe, {}).get("exec", {}) for probe in ("startupProbe", "livenessProbe"))
        yield from (probe["command"][1:] for probe in probes if probe and probe["command"][0] == "willcall")
    for unit in UNITS.glob("*.service"):
        (line,) = re.findall(r"^ExecStart=/opt/willcall/bin/willcall (.+)$", unit.read_text(), re.MULTILINE)
        yield shlex.split(line)
    for line in (ROOT / "Procfile").read_text().splitlines():
        yield shlex.split(line.partition(": willcall ")[2])
    for service in compose().values():
        if service.get("image") == "willcall":
            yield service["command"]
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:2] == ["willcall"]:
            yield test[2:]


def test_kubernetes_accepts_the_manifests() -> None:
    require("kubernetes-validate", importlib.util.find_spec("kubernetes_validate"))
    import kubernetes_validate  # noqa: PLC0415 - may be absent

    checked = [each for each in documents() if each["kind"] not in FOREIGN]
    assert len(checked) > 10
    for each in checked:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


def test_every_command_exists_with_its_options() -> None:
    shown = list(commands())
    assert {line[0] for line in shown} == {"worker", "beat", "api", "flower", "doctor"}
    for line in shown:
        load_command(line[0]).make_context(line[0], line[1:])


def test_every_variable_and_key_exists_in_the_configuration(tmp_path: Path) -> None:
    secret = named("Secret", "willcall-secrets")["stringData"]
    (tmp_path / "willcall.toml").write_text(named("ConfigMap", "willcall-config")["data"]["willcall.toml"])
    config = load(secret, tmp_path)
    assert set(config.accounts) == {"tiqets/default", "voordemensen/default"}
    assert config.settings.api.keys


def test_variables_that_kubernetes_sets_are_not_configuration() -> None:
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods().values())


def test_references_between_manifests_are_valid() -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in pods().items()}
    for service in (each for each in documents() if each["kind"] == "Service"):
        assert service["spec"]["selector"].items() <= labels[service["metadata"]["name"]].items()
    secret = named("Secret", "willcall-secrets")["stringData"]
    for container in containers():
        variables = [
            variable["valueFrom"]["secretKeyRef"] for variable in container.get("env", []) if "valueFrom" in variable
        ]
        assert all(reference["key"] in secret for reference in variables)
        assert all(source["secretRef"]["name"] == "willcall-secrets" for source in container.get("envFrom", []))
    assert named("ScaledObject", "worker")["spec"]["scaleTargetRef"]["name"] in pods()
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    alone = {"kustomization.yaml", "ingress.yaml", "worker-scaling.yaml"}
    assert set(listed) == {path.name for path in KUBERNETES.glob("*.yaml")} - alone


def test_ports_and_images_agree_with_the_compose_file() -> None:
    services = compose()
    assert {container["image"] for container in containers()} == {"willcall", services["redis"]["image"]}
    for name in ("api", "flower"):
        (container,) = pods()[name]["spec"]["containers"]
        (port,) = (port["containerPort"] for port in container["ports"])
        assert services[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert container["args"][-2:] == ["--port", str(port)]
        assert named("Service", name)["spec"]["ports"][0]["port"] == port


def test_workers_are_scaled_on_existing_metrics() -> None:
    queries = [trigger["metadata"]["query"] for trigger in named("ScaledObject", "worker")["spec"]["triggers"]]
    known = set(re.findall(r"`(willcall_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    assert {name for query in queries for name in re.findall(r"willcall_\w+", query)} <= known
    (port,) = pods()["worker"]["spec"]["containers"][0]["ports"]
    assert port["name"] == "metrics"
    assert f"port = {port['containerPort']}" in named("ConfigMap", "willcall-config")["data"]["willcall.toml"]


def test_redis_accepts_the_arguments_of_the_manifest(tmp_path: Path) -> None:
    (container,) = pods()["redis"]["spec"]["containers"]
    arguments = [argument.replace("$(REDIS_PASSWORD)", "hunter2") for argument in container["args"][1:]]
    port = free_port()
    server = subprocess.Popen(  # noqa: S603 - our own manifest
        [executable(), *arguments, "--port", str(port), "--bind", "127.0.0.1"], cwd=tmp_path, stdout=subprocess.DEVNULL
    )

    def answers() -> bool:
        try:
            return bool(client.ping())
        except RedisError:
            return False

    try:
        with Redis(port=port, password="hunter2", decode_responses=True) as client:
            wait_until(answers)
            settings = {**client.config_get("append*"), **client.config_get("maxmemory*")}
    finally:
        server.kill()
        server.wait()
    assert (settings["appendonly"], settings["appendfsync"], settings["maxmemory-policy"]) == (
        "yes",
        "everysec",
        "noeviction",
    )
    assert int(settings["maxmemory"]) == 1500 * 1024**2


def test_systemd_accepts_the_units(tmp_path: Path) -> None:
    verify = require_command("systemd-analyze")
    for unit in chain(UNITS.glob("*.service"), UNITS.glob("*.target")):
        text = unit.read_text().replace("/opt/willcall/bin/willcall", shutil.which("true") or "")
        (tmp_path / unit.name.replace("@.", "@1.")).write_text(text)
        (tmp_path / unit.name).write_text(text)
    files = [str(path) for path in sorted(tmp_path.iterdir()) if "@." not in path.name]
    result = subprocess.run([verify, "verify", "--man=no", *files], capture_output=True, text=True, check=False)  # noqa: S603 - fixed words
    assert [line for line in result.stderr.splitlines() if "willcall" in line] == []
    assert result.returncode == 0


def test_a_manual_command_runs_like_the_units() -> None:
    page = (ROOT / "docs" / "ops" / "deployment.md").read_text().replace("\\\n", "")
    (line,) = re.findall(r"^# (systemd-run .+)$", page, re.MULTILINE)
    words = shlex.split(line)
    given = {f"User={words[words.index('--uid') + 1]}", f"Environment={words[words.index('-E') + 1]}"}
    given |= {words[place + 1] for place, word in enumerate(words) if word == "-p"}
    for unit in UNITS.glob("*.service"):
        kinds = ("User=", "WorkingDirectory=", "Environment=WILLCALL_CONFIG", "EnvironmentFile=")
        assert given >= {own for own in unit.read_text().splitlines() if own.startswith(kinds)}, unit.name
