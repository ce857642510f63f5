"""The doctor over real processes: everything is healthy, then beat is killed."""

import pytest
from kombu import Connection

from tests.e2e.conftest import Setup
from tests.e2e.rabbitmq import RabbitMQ
from tests.waiting import wait_until
from willcall.cli.doctor.context import CheckContext
from willcall.cli.doctor.findings import Level
from willcall.cli.doctor.runner import run_checks
from willcall.config import load


def problems(context: CheckContext) -> dict[str, list[str]]:
    """What is found that is not ok, by the check."""
    diagnoses = {each.check: each.findings for each in run_checks(context, [])}
    texts = {name: [one.message for one in found if one.level is not Level.OK] for name, found in diagnoses.items()}
    return {name: found for name, found in texts.items() if found}


@pytest.mark.proof
def test_a_deployment_is_healthy_until_its_beat_is_killed(deployment: Setup, broker: dict[str, str]) -> None:
    system = deployment({"tiqets/default": {}}, **broker)
    context = CheckContext(load(system.environment))
    system.start("worker")
    beat = system.start("beat")
    wait_until(lambda: problems(context) == {})
    system.kill(beat)
    context.redis.zremrangebyrank(
        "willcall:processes", 0, -1
    )  # as if 20 s had passed: running processes are added again
    wait_until(lambda: problems(context).keys() == {"beat", "sweeps"})
    assert problems(context)["sweeps"] == ["beat is not running"]


@pytest.mark.proof
def test_a_rabbitmq_that_no_worker_has_used_cannot_hold_countdowns(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    with Connection(rabbitmq.url) as connection:
        connection.default_channel.exchange_delete("celery_delayed_27")
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    context = CheckContext(load(system.environment))
    assert problems(context)["broker"] == [f"{shown(rabbitmq)} is not set up for countdowns yet"]
    assert "queues" not in problems(context)
    system.start("worker")
    wait_until(lambda: not problems(context).keys() & {"broker", "workers"})


def shown(rabbitmq: RabbitMQ) -> str:
    """Its URL without the password."""
    return f"amqp://{rabbitmq.url.rpartition('@')[2]} (password hidden)"
