"""Whether all processes run with the configuration that the command has."""

from dataclasses import replace

from tests.integration.doctor.conftest import MakeContext, messages, ok_message
from willcall.cli.doctor.context import CheckContext
from willcall.config.changes import config_digest
from willcall.stores.processes import ConfigurationState


def state(context: CheckContext) -> ConfigurationState:
    """That of a process with the command's configuration."""
    reply = context.processes.record_heartbeat("worker", "w", {})
    return ConfigurationState(context.now(), config_digest(context.config, reply.state))


def record(context: CheckContext, kind: str, configuration: ConfigurationState) -> None:
    context.processes.record_heartbeat(kind, kind[0], {}, configuration)


def test_processes_with_the_same_configuration_are_healthy(make_context: MakeContext) -> None:
    context = make_context()
    own = state(context)
    for kind in ("worker", "beat", "api"):
        record(context, kind, own)
    assert ok_message(context, "reloads") == "3 processes run with this configuration"


def test_a_file_that_no_process_has_read_is_a_warning(make_context: MakeContext) -> None:
    context = make_context()
    record(context, "worker", state(context))
    changed = make_context(api={"keys": ["0123456789abcdef"]})
    [(level, what)] = messages(changed, "reloads")
    assert (level, what) == ("warning", "all processes run with another configuration than this command")


def test_processes_with_different_configurations_are_named(make_context: MakeContext) -> None:
    context = make_context()
    own = replace(state(context), digest="00aa")
    record(context, "worker", own)
    record(context, "beat", own)
    record(context, "api", replace(own, digest="bb00"))
    [(level, what)] = messages(context, "reloads")
    assert level == "warning"
    assert what == "processes run with different configurations: 00aa: worker w, beat b; bb00: api a"


def test_a_refused_configuration_is_an_error(make_context: MakeContext) -> None:
    context = make_context()
    refused = replace(state(context), refused_at=context.now(), errors=("api.keys: is empty",))
    record(context, "worker", refused)
    record(context, "api", refused)
    [(level, what)] = messages(context, "reloads")
    assert level == "error"
    assert what.startswith("worker w, api a keep the configuration of 20")
    assert what.endswith("and refused: api.keys: is empty")


def test_a_pending_restart_is_a_warning(make_context: MakeContext) -> None:
    context = make_context()
    record(context, "worker", replace(state(context), restart_for=("redis_url", "metrics.port")))
    [(level, what)] = messages(context, "reloads")
    assert level == "warning"
    assert what == "redis_url, metrics.port changed, and worker w still use what they started with"


def test_a_process_of_an_earlier_version_is_left_out(make_context: MakeContext) -> None:
    context = make_context()
    record(context, "api", state(context))
    context.processes.record_heartbeat("worker", "w", {})
    assert ok_message(context, "reloads") == "1 process runs with this configuration"
