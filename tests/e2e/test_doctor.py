"""The doctor over real processes: all well, then somebody ends beat."""

import pytest
from kombu import Connection

from tests.e2e.conftest import Setup
from tests.e2e.rabbitmq import RabbitMQ
from tests.waiting import wait_until
from willcall.cli.doctor.examination import examined
from willcall.cli.doctor.findings import Level
from willcall.cli.doctor.patient import Patient
from willcall.config import load


def ill(patient: Patient) -> dict[str, list[str]]:
    """What is found that is not ok, by the check."""
    diagnoses = {each.check: each.findings for each in examined(patient, [])}
    texts = {name: [one.found for one in found if one.level is not Level.OK] for name, found in diagnoses.items()}
    return {name: found for name, found in texts.items() if found}


def test_a_house_at_work_is_well_until_its_beat_is_killed(deployment: Setup, broker: dict[str, str]) -> None:
    system = deployment({"tiqets/default": {}}, **broker)
    patient = Patient(load(system.environment))
    system.start("worker")
    beat = system.start("beat")
    wait_until(lambda: ill(patient) == {})
    system.kill(beat)
    patient.redis.zremrangebyrank("willcall:processes", 0, -1)  # as if 20 s had passed: who lives comes back
    wait_until(lambda: ill(patient).keys() == {"beat", "sweeps"})
    assert ill(patient)["sweeps"] == ["beat is away"]


@pytest.mark.proof
def test_a_rabbitmq_on_which_no_worker_ever_was_cannot_hold_countdowns(deployment: Setup, rabbitmq: RabbitMQ) -> None:
    with Connection(rabbitmq.url) as connection:
        connection.default_channel.exchange_delete("celery_delayed_27")
    system = deployment({"tiqets/default": {}}, broker_url=rabbitmq.url)
    patient = Patient(load(system.environment))
    assert ill(patient)["broker"] == [f"{shown(rabbitmq)} cannot hold countdowns yet"]
    assert "queues" not in ill(patient)
    system.start("worker")
    wait_until(lambda: not ill(patient).keys() & {"broker", "workers"})


def shown(rabbitmq: RabbitMQ) -> str:
    """Its URL without the password."""
    return f"amqp://{rabbitmq.url.rpartition('@')[2]} (password hidden)"
