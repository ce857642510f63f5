import json
from typing import Any

import pytest
from billiard.einfo import ExceptionInfo
from celery import Celery, Task
from celery.exceptions import Reject
from kombu import Message
from kombu.exceptions import OperationalError

import tasks.submit
from willcall.orders.errors import ConflictingOrderError, RejectedOrderError
from willcall.stores.connection import StoreError
from willcall.stores.dead_letters import DeadLetterReason
from willcall.usecases.submit import AcceptedOrder

PAYLOAD = {"id": "ord-1", "provider": "tiqets", "reference": "1"}


@pytest.fixture
def task() -> Task:
    app = Celery("test", broker="memory://", set_as_current=False)
    app.willcall = None
    app.finalize()
    found: Task = app.tasks["tasks.submit"]
    found.push_request(id="task-1")
    return found


@pytest.fixture
def sent(task: Task, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(task, "apply_async", lambda **options: sent.append(options))
    return sent


def raise_unavailable(*_: object) -> None:
    raise StoreError("raise_unavailable")


def test_an_order_that_cannot_be_written_now_is_submitted_again_later(
    task: Task, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.submit, "submit_order", raise_unavailable)
    task.run(**PAYLOAD)
    assert [(options["kwargs"], options["task_id"]) for options in sent] == [(PAYLOAD, "task-1")]
    assert sent[0]["countdown"] > 0


def test_a_submission_that_is_sent_again_describes_no_secret(
    task: Task, sent: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.submit, "submit_order", raise_unavailable)
    task.run(**PAYLOAD, credentials={"cognito_token": "a-secret"}, metadata={"name": "a-secret"})
    assert sent[0]["kwargs"]["credentials"] == {"cognito_token": "a-secret"}
    assert (sent[0]["argsrepr"], sent[0]["kwargsrepr"]) == ("()", "{'id': 'ord-1', 'provider': 'tiqets'}")


def test_a_message_stays_in_an_unreachable_broker(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(tasks.submit, "submit_order", raise_unavailable)
    monkeypatch.setattr(task, "apply_async", broken)
    with pytest.raises(Reject) as rejection:
        task.run(**PAYLOAD)
    assert rejection.value.requeue


def test_a_redelivered_message_without_an_id_is_the_same_order(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = []

    def write(_: object, payload: dict[str, Any]) -> AcceptedOrder:
        ids.append(payload["id"])
        return AcceptedOrder(payload["id"], new=True)

    monkeypatch.setattr(tasks.submit, "submit_order", write)
    without = {name: value for name, value in PAYLOAD.items() if name != "id"}
    assert task.run(**without) == task.run(**without)
    task.push_request(id="task-2")
    task.run(**without)
    task.run(**PAYLOAD)
    assert ids[0] == ids[1] != ids[2]
    assert ids[3] == "ord-1"


def test_positional_arguments_are_an_invalid_payload(task: Task) -> None:
    with pytest.raises(RejectedOrderError, match="args: must be empty"):
        task(PAYLOAD)


def test_the_payload_is_not_visible_in_worker_inspection(task: Task) -> None:
    message = Message(
        json.dumps(
            [
                ["positional-secret"],
                PAYLOAD | {"reference": "a-secret", "quantity": 2, "credentials": {"x": "a-secret"}},
                {},
            ]
        ),
        content_type="application/json",
        content_encoding="utf-8",
        headers={"id": "task-1", "task": "tasks.submit", "argsrepr": "a-secret", "kwargsrepr": "a-secret"},
    )
    request = tasks.submit.SubmissionRequest(message, app=task.app)
    for shown in (request.info(), request.info(safe=True), repr(request), str(request), request.argsrepr):
        assert "secret" not in str(shown)
    assert request.kwargsrepr == "{'id': 'ord-1', 'provider': 'tiqets', 'quantity': 2}"


def test_a_submission_does_not_expire(task: Task) -> None:
    headers = {"id": "task-1", "task": "tasks.submit", "expires": "2020-01-01T00:00:00+00:00"}
    message = Message(json.dumps([[], PAYLOAD, {}]), content_type="application/json", headers=headers)
    request = tasks.submit.SubmissionRequest(message, app=task.app)
    assert (request.expires, request.revoked()) == (None, False)


@pytest.mark.parametrize(
    ("error", "kept"),
    [(ZeroDivisionError(), True), (RejectedOrderError([]), False), (ConflictingOrderError("ord-1"), False)],
)
def test_a_submission_that_makes_our_code_fail_is_stored(task: Task, error: Exception, kept: bool) -> None:  # noqa: FBT001
    request, letters = submission(task)
    request.on_failure(failure(error), return_ok=True)
    assert letters == ([DeadLetterReason.FAILED] if kept else [])
    assert request.acknowledged


def test_a_submission_that_cannot_be_stored_stays_in_the_broker(task: Task) -> None:
    request, _ = submission(task, raise_unavailable)
    rejected: list[bool] = []

    def reject(*, requeue: bool) -> None:
        rejected.append(requeue)

    request.reject = reject
    request.on_failure(failure(ZeroDivisionError()), return_ok=True)
    assert rejected == [True]
    assert not request.acknowledged


def failure(error: Exception) -> ExceptionInfo:
    try:
        raise error
    except type(error):
        return ExceptionInfo()


def submission(task: Task, keep: Any = None) -> tuple[Any, list[DeadLetterReason]]:
    """A submission under way, and why its message was put among the dead letters."""
    letters: list[DeadLetterReason] = []
    task.acks_late = True
    task.app.store_dead_letter = keep or (lambda _, reason: letters.append(reason))
    message = Message(headers={"id": "1", "task": "tasks.submit"}, body="", delivery_info={})
    request = tasks.submit.SubmissionRequest(
        message, task=task, app=task.app, body=[[], PAYLOAD, {}], decoded=True, on_ack=lambda *_: None
    )
    return request, letters
