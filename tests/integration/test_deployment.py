"""What docs/ops/ gives operators to run: every command, variable, port and name in it is a real one."""

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError

from tests.tools import require, require_command
from tests.waiting import wait_until
from willcall.cli.main import load_command
from willcall.config import load
from willcall.devtools.embedded_redis import executable, free_port
from willcall.simulator.account_tables import account_tables
from willcall.simulator.script import load as load_script

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "docs" / "ops" / "kubernetes"
UNITS = ROOT / "docs" / "ops" / "systemd"
TRY = ROOT / "docs" / "ops" / "try"
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
        if service.get("image", "").startswith("willcall") and "entrypoint" not in service:
            yield [word.replace("/try/", f"{TRY}/") for word in service["command"]]
        test = service.get("healthcheck", {}).get("test", [])
        if test[1:2] == ["willcall"]:
            yield test[2:]
    (check,) = re.findall(r"^    CMD (\[.+\])$", dockerfile(), re.MULTILINE)
    yield json.loads(check)[1:]


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def test_kubernetes_accepts_the_manifests() -> None:
    require("kubernetes-validate", importlib.util.find_spec("kubernetes_validate"))
    import kubernetes_validate  # noqa: PLC0415 - may be absent

    checked = [each for each in documents() if each["kind"] not in FOREIGN]
    assert len(checked) > 10
    for each in checked:
        kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.proof
def test_every_command_exists_with_its_options() -> None:
    shown = list(commands())
    assert {line[0] for line in shown} == {"worker", "beat", "api", "flower", "doctor", "simulator", "import"}
    for line in shown:
        load_command(line[0]).make_context(line[0], line[1:]).close()


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


def test_the_image_gets_its_dependencies_before_the_code() -> None:
    """So a change of the code installs none of them again."""
    before, _, after = dockerfile().partition(" AS wheel\n")
    assert re.findall(r"^COPY (.+)$", before, re.MULTILINE) == [
        "pyproject.toml constraints.txt ./",
        ".ci/requirements .ci/",
    ]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = re.findall(r"^COPY (\w+) \1$", after, re.MULTILINE)
    assert copied == packages["packages"]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"  # nor does a secret that lies here, such as .env or willcall.toml, get into a layer
    assert {f"!{name}" for name in copied} <= set(ignored)


def test_the_image_says_where_its_source_is() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    assert f'org.opencontainers.image.source="{urls["Source"]}"' in dockerfile()


def test_the_requirements_of_the_image_are_those_that_are_declared() -> None:
    def required(*extras: str) -> list[str]:
        command = [ROOT / ".ci" / "requirements", *extras]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()  # noqa: S603 - ours

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert required() == declared["project"]["dependencies"]
    assert required("build-system") == declared["build-system"]["requires"]
    everything = required("test")
    assert {line for line in everything if line.startswith("willcall")} == set()
    assert set(required("s3", "codings", "dev")) < set(everything)


def test_the_images_user_is_the_one_of_the_manifests() -> None:
    user, folder = (re.findall(rf"^{word} (.+)$", dockerfile(), re.MULTILINE)[-1] for word in ("USER", "WORKDIR"))
    for name, pod in pods().items():
        (container,) = pod["spec"]["containers"]
        if container["image"] == "willcall":
            assert str(pod["spec"]["securityContext"]["runAsUser"]) == user, name
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert f"data:{folder}" in compose()["worker"]["volumes"]


def test_compose_takes_a_missing_configuration_for_an_error_and_publishes_on_loopback_only() -> None:
    for name in ("worker", "beat", "api", "flower"):
        service = compose()[name]
        (config,) = (each for each in service["volumes"] if isinstance(each, dict))
        assert config["bind"] == {"create_host_path": False}
        assert config["source"] == "${CONFIG_FILE:-./willcall.toml}"
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    ports = [port for service in compose().values() for port in service.get("ports", [])]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def try_settings() -> dict[str, str]:
    lines = [line for line in (ROOT / "try.env").read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_the_profile_try_needs_nothing_but_its_own_files() -> None:
    started = [service for service in compose().values() if service.get("profiles", ["try"]) == ["try"]]
    needed = re.findall(r"\$\{(\w+):\?", json.dumps(started))
    assert set(needed) == {"WILLCALL_API_KEY", "WILLCALL_OPERATOR_KEY", "FLOWER_BASIC_AUTH"}
    settings = try_settings()
    assert set(needed) < settings.keys()
    keys = {
        "WILLCALL_API__KEYS": json.dumps([settings["WILLCALL_API_KEY"]]),
        "WILLCALL_API__OPERATOR_KEYS": json.dumps([settings["WILLCALL_OPERATOR_KEY"]]),
    }
    config = load({"WILLCALL_CONFIG": str(ROOT / settings["CONFIG_FILE"]), **keys})
    assert config.settings.outbound.allow == ("127.0.0.0/8",)
    # Public keys and this permission are for the profile alone: nothing else names them.
    assert settings["COMPOSE_PROJECT_NAME"] != "willcall"
    assert not [value for value in settings.values() if value.startswith("try-") and value in json.dumps(compose())]


def test_the_orders_of_the_profile_try_are_those_that_its_simulator_knows() -> None:
    config = tomllib.loads((ROOT / try_settings()["CONFIG_FILE"]).read_text())
    accounts = account_tables("http://127.0.0.1:8400")
    assert config["providers"] == {name: {"default": tables["default"]} for name, tables in accounts.items()}
    secret, port = compose()["shop"]["command"]
    assert secret == config["notify"]["secret"]
    submitted = [json.loads(line) for line in (TRY / "orders.jsonl").read_text().splitlines()]
    assert {each["callback_url"] for each in submitted} == {f"http://127.0.0.1:{port}/willcall"}
    assert [(each["provider"], each["reference"], each["quantity"]) for each in submitted] == [
        (order.provider, order.reference, order.quantity) for order in load_script(TRY / "simulator.toml").orders
    ]
