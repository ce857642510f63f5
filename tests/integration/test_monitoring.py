"""What docs/ops/ gives to Prometheus and Grafana, judged by Prometheus' own tool."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.tools import require_command

OPS = Path(__file__).parents[2] / "docs" / "ops"
RULES = [rule for group in yaml.safe_load((OPS / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
#: What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "1m", "$provider": ".*", "$account": ".*"}


def promtool(*arguments: str, cwd: Path = OPS) -> None:
    """Run promtool, which must be content."""
    command = [require_command("promtool"), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603 - its own files
    assert done.returncode == 0, done.stdout + done.stderr


def expressions(part: Any) -> list[str]:
    """All PromQL in the dashboard, with its variables replaced."""
    if isinstance(part, list):
        return [found for one in part for found in expressions(one)]
    if not isinstance(part, dict):
        return []
    own = [part["expr"]] if "expr" in part else []
    found = own + [found for one in part.values() for found in expressions(one)]
    return [re.sub(r"\$\w+", lambda match: VARIABLES[match[0]], expression) for expression in found]


def dashboard() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((OPS / "grafana-dashboard.json").read_text())
    return document


def test_the_alert_rules_pass_their_tests() -> None:
    promtool("check", "rules", "--lint-fatal", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


def test_every_alert_has_a_firing_and_a_silent_test() -> None:
    tests = yaml.safe_load((OPS / "alerts_test.yml").read_text())["tests"]
    tried = {(one["alertname"], bool(one["exp_alerts"])) for test in tests for one in test.get("alert_rule_test", ())}
    names = {rule["alert"] for rule in RULES}
    assert {name for name, fires in tried if fires} == names
    assert {name for name, fires in tried if not fires} >= names - {"WillcallAccountThrottled"}  # its test shows both


def test_every_alert_has_a_severity_and_a_runbook_link() -> None:
    runbook = (OPS / "runbook.md").read_text()
    anchors = {heading.lower() for heading in re.findall(r"^#+ (\w+)$", runbook, re.MULTILINE)}
    for rule in RULES:
        name = rule["alert"]
        assert rule["labels"]["severity"] in {"page", "ticket"}, name
        assert rule["annotations"].keys() == {"summary", "description", "impact", "action", "runbook"}, name
        # A pager would make a link of `runbook_url`, and there is no address that is everybody's.
        assert rule["annotations"]["runbook"] == f"docs/ops/runbook.md#{name.lower()}"
        assert name.lower() in anchors


def test_the_configuration_of_prometheus_is_valid() -> None:
    promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_every_query_of_the_dashboard_is_valid(tmp_path: Path) -> None:
    queries = expressions(dashboard())
    assert len(queries) > 20
    rules = [{"record": f"query_{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", "--lint=none", "queries.yml", cwd=tmp_path)


def test_the_dashboard_names_every_health_even_under_a_pause() -> None:
    (panel,) = (panel for panel in dashboard()["panels"] if panel["title"] == "Health")
    (query,) = expressions(panel)
    worth = {health: int(factor) for factor, health in re.findall(r'(\d) \* max by .*?health="(\w+)"', query)}
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    named = {int(value): word["text"] for value, word in mapping["options"].items()}
    under_pause = {worth["paused"] + worth[health]: f"paused, {health}" for health in ("unauthorized", "down")}
    assert named == {value: health for health, value in worth.items()} | under_pause


def test_dashboard_panels_have_unique_ids_and_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24


def test_compose_mounts_the_files_that_prometheus_and_grafana_need() -> None:
    compose = yaml.safe_load((OPS.parents[1] / "docker-compose.yml").read_text())
    services, secrets = compose["services"], compose["secrets"]
    prometheus = yaml.safe_load((OPS / "prometheus.yml").read_text())
    for name in ("prometheus", "grafana"):
        assert services[name]["profiles"] == ["monitoring"]
        sources = [volume.partition(":")[0] for volume in services[name]["volumes"]]
        assert all((OPS.parents[1] / source).exists() for source in sources if source.startswith("./"))
        assert set(services[name]["secrets"]) <= secrets.keys()
    jobs = {job["job_name"]: job["dns_sd_configs"][0] for job in prometheus["scrape_configs"]}
    assert all(names in services for job in jobs.values() for names in job["names"])
    assert jobs["willcall-worker"]["port"] == 9_464
