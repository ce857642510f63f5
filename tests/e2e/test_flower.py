"""Flower over HTTP, with a worker: who may see it, that it changes nothing, and that it never holds a secret."""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from kombu import Connection

from tests.actors import ANNA
from tests.command import run
from tests.e2e.conftest import Setup, deployments, submit_all
from tests.waiting import wait_until
from willcall.devtools.local_deployment import FLOWER_LOGIN, LocalDeployment
from willcall.simulator.script import OrderScript
from willcall.usecases.orders import get_order, request_poll

QUEUES = ("willcall", "willcall.sweeps", "willcall.notify", "willcall.documents")
#: Parts of what an outside application sends that must not be shown.
REFERENCE, ADDRESS, METADATA = "XgFca-QmBxG-9WhAj", "token-in-the-address", "name-of-a-customer"
SECRETS = (REFERENCE, ADDRESS, METADATA)
GOOD = {
    "id": "ord-good",
    "provider": "voordemensen",
    "reference": REFERENCE,
    "quantity": 2,
    "callback_url": f"https://backend.example/hook?{ADDRESS}",
    "metadata": {"name": METADATA},
}
#: Each is invalid in another way, and contains values that must not be shown.
BAD: list[dict[str, Any]] = [
    {"provider": "ticketmaster"},
    {"account": "nobody"},
    {"quantity": REFERENCE},
    {"not_before": REFERENCE},
    {"delivery": REFERENCE},
    {"callback_url": f"ftp://{ADDRESS}"},
    {"metadata": METADATA},
    {"reference": [REFERENCE]},
    {"reference": REFERENCE * 50},
    {"id": [REFERENCE]},
    {"provider": {"name": REFERENCE}},
    *({"provider": name, "reference": f" {REFERENCE}/ö"} for name in ("funtrips", "tiqets", "tixstock", "paylogic")),
]
VIEWS = ("/", "/workers", "/workers?json=1", "/tasks", "/broker", "/metrics")
CALLS = ("/api/tasks", "/api/workers?refresh=1", "/api/task/types", "/api/queues/length")
CHANGES = (
    *(
        f"/api/worker/{what}/NAME"
        for what in ("shutdown", "pool/restart", "pool/grow", "pool/shrink", "pool/autoscale")
    ),
    *(f"/api/worker/queue/{what}/NAME" for what in ("add-consumer", "cancel-consumer")),
    *(f"/api/task/{what}/tasks.submit" for what in ("apply", "async-apply", "send-task", "timeout", "rate-limit")),
    *(f"/api/task/{what}/some-task" for what in ("abort", "revoke")),
)
#: What the page asks for to fill its list of tasks.
TABLE = (
    "draw=1&start=0&length=1000&order[0][column]=1&order[0][dir]=desc&columns[0][data]=name&columns[1][data]=received"
)


@pytest.fixture(scope="module")
def flower(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalDeployment]:
    """A running worker and Flower, which receives the events of tasks; each test is about tasks of its own."""
    names = ("funtrips", "paylogic", "tiqets", "tixstock", "voordemensen")
    with deployments(tmp_path_factory.mktemp("flower")) as deployment:
        system = deployment({f"{name}/default": {} for name in names})
        system.start("worker")
        system.start_flower()
        wait_until(lambda: "{task} enabled" in log(system, "worker"))
        yield system


@pytest.fixture
def outside(flower: LocalDeployment) -> Iterator[Celery]:
    """A backend's own Celery application, which tells everybody what it sends."""
    app = Celery("backend", broker=flower.redis.url, set_as_current=False)
    app.conf.update(task_ignore_result=True, task_send_sent_event=True)
    yield app
    app.close()


def ask(
    system: LocalDeployment,
    path: str,
    method: str = "GET",
    body: str | None = None,
    login: tuple[str, str] | None = FLOWER_LOGIN,
) -> tuple[int, str]:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if login:
        headers["authorization"] = "Basic " + b64encode(":".join(login).encode()).decode()
    connection = HTTPConnection("127.0.0.1", system.flower_port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def tasks(system: LocalDeployment) -> dict[str, Any]:
    """Return the tasks that Flower lists, by id."""
    found: dict[str, Any] = json.loads(ask(system, "/api/tasks")[1])
    return found


def listed(system: LocalDeployment) -> list[dict[str, Any]]:
    """The rows of its list of tasks."""
    found: list[dict[str, Any]] = json.loads(ask(system, "/tasks/datatable", "POST", TABLE)[1])["data"]
    return found


def log(system: LocalDeployment, process: str) -> str:
    return (system.folder / f"{process}.log").read_text(encoding="utf-8")


def everything(system: LocalDeployment) -> str:
    """All that Flower serves."""
    workers = json.loads(ask(system, "/api/workers?refresh=1")[1])
    ids = list(tasks(system))
    paths = [*VIEWS, *CALLS, *(f"/worker/{name}" for name in workers)]
    paths += [f"{page}/{task}" for task in ids for page in ("/task", "/api/task/info")]
    answers = [ask(system, path) for path in paths] + [ask(system, "/tasks/datatable", "POST", TABLE)]
    assert {status for status, _ in answers} == {200}
    assert workers
    return "\n".join(text for _, text in answers)


@pytest.mark.proof
def test_payloads_of_other_applications_are_not_shown(flower: LocalDeployment, outside: Celery) -> None:
    outside.send_task("tasks.submit", queue="nobody-listens", kwargs=GOOD, task_id="unheard")
    outside.send_task("tasks.submit", queue="willcall", kwargs=GOOD, task_id="good")
    for number, wrong in enumerate(BAD):
        payload = GOOD | {"id": f"ord-bad-{number}"} | wrong
        outside.send_task("tasks.submit", queue="willcall", kwargs=payload, task_id=f"bad-{number}")
    outside.send_task("tasks.submit", queue="willcall", args=[REFERENCE], kwargs=GOOD, task_id="positional")
    again = GOOD | {"id": "ord-again", "sesame": METADATA}
    outside.send_task("tasks.submit", queue="willcall", kwargs=again, task_id="unknown-field")
    failing = {f"bad-{number}" for number in range(len(BAD))} | {"positional", "unknown-field"}

    def done() -> bool:
        known = tasks(flower)
        return "good" in known and {name for name, task in known.items() if task["state"] == "FAILURE"} >= failing

    wait_until(done)
    known = tasks(flower)
    assert known["good"]["state"] == "SUCCESS"
    assert known["good"]["kwargs"] == "{'id': 'ord-good', 'provider': 'voordemensen', 'quantity': 2}"
    assert "unheard" not in known, "its sender announced it, with all that it sent"
    for text in (everything(flower), log(flower, "worker"), log(flower, "flower")):
        assert [secret for secret in (*SECRETS, urlsplit(flower.redis.url).password or "") if secret in text] == []


@pytest.mark.proof
def test_the_task_list_shows_the_attempt_of_each_poll(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {"polling": {"initial": 300, "cap": 300, "minimum": 0.1}}})
    system.start("worker")
    system.start_flower()
    wait_until(lambda: "{task} enabled" in log(system, "worker"))
    script = OrderScript(provider="tiqets", reference="2000001", ready_after=600)
    [order_id] = submit_all(system, [script])
    for attempt in (1, 2, 3):
        wait_until(lambda attempt=attempt: get_order(system.context, order_id).attempts == attempt)
        request_poll(system.context, order_id, ANNA)
    seqs = [1, 3, 5]
    wait_until(lambda: all(tasks(system).get(f"{order_id}:{seq}", {}).get("state") == "SUCCESS" for seq in seqs))
    shown = {row["uuid"]: row["args"] for row in listed(system)}
    assert [shown[f"{order_id}:{seq}"] for seq in seqs] == [
        f"{order_id}  attempt {attempt}  tiqets/default" for attempt in (1, 2, 3)
    ]


@pytest.mark.proof
def test_messages_that_no_task_accepts_become_dead_letters_without_being_quoted(
    flower: LocalDeployment, outside: Celery
) -> None:
    before = log(flower, "worker").count('"event": "dead letter"')
    outside.send_task("tasks.sumbit", queue="willcall", kwargs=GOOD)
    with Connection(flower.redis.url) as connection:
        producer = connection.Producer(routing_key="willcall")
        producer.publish(GOOD, serializer="json")
        producer.publish(GOOD, serializer="pickle", headers={"task": "tasks.submit", "id": "pickled"})
        producer.publish({"task": "tasks.submit", "id": "old", "args": REFERENCE, "kwargs": REFERENCE})
        producer.publish(
            json.dumps([[], GOOD, {}])[:-2],
            content_type="application/json",
            content_encoding="utf-8",
            headers={"task": "tasks.submit", "id": "cut"},
        )
    outside.send_task("tasks.submit", queue="willcall", kwargs=GOOD | {"id": "ord-after"}, task_id="after")
    wait_until(lambda: "after" in tasks(flower))
    assert log(flower, "worker").count('"event": "dead letter"') == before + 5
    for text in (everything(flower), log(flower, "worker")):
        assert [secret for secret in SECRETS if secret in text] == []


def test_nothing_is_shown_without_the_password(flower: LocalDeployment) -> None:
    for path in (*VIEWS, *CALLS, "/task/some-task", "/worker/some-worker", "/tasks/datatable"):
        for login in (None, ("operator", "wrong"), ("", "")):
            assert ask(flower, path, login=login)[0] == 401, path
    assert ask(flower, "/healthcheck", login=None) == (200, "OK")


def test_flower_can_change_nothing(flower: LocalDeployment) -> None:
    name = next(iter(flower.app.control.ping(timeout=60, limit=1)[0]))
    for path in CHANGES:
        assert ask(flower, path.replace("NAME", name), "POST")[0] == 403, path
    assert flower.app.control.ping(timeout=60, limit=1)


def test_the_queues_are_known_over_either_broker(deployment: Setup, broker: dict[str, str]) -> None:
    system = deployment({"tiqets/default": {}}, **broker)
    system.start("worker")
    system.wait_for_workers(1)
    system.start_flower()
    queues = json.loads(ask(system, "/api/queues/length")[1])["active_queues"]
    waiting = {"celery_delayed"} if broker else set()  # what waits for its time; over Redis each queue keeps its own
    assert {queue["name"] for queue in queues} == {*QUEUES, "willcall.poll.tiqets"} | waiting
    assert "willcall.poll.tiqets" in ask(system, "/broker")[1]


@pytest.mark.proof
def test_workers_send_task_events_only_while_flower_runs(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    system.start("worker")
    system.wait_for_workers(1)
    assert "{task}" not in log(system, "worker")
    flower = system.start_flower()
    wait_until(lambda: "{task} enabled" in log(system, "worker"))
    flower.terminate()
    wait_until(lambda: "{task} disabled" in log(system, "worker"))


def test_without_a_password_it_answers_only_to_names_of_this_machine(deployment: Setup) -> None:
    system = deployment({"tiqets/default": {}})
    system.start("flower", "--port", str(system.flower_port))

    def status(path: str, host: str) -> int | None:
        with suppress(ConnectionError):
            connection = HTTPConnection("127.0.0.1", system.flower_port, timeout=30)
            try:
                connection.request("GET", path, headers={"Host": host})
                return connection.getresponse().status
            finally:
                connection.close()
        return None

    wait_until(lambda: status("/healthcheck", "localhost") is not None)
    for path in ("/", "/tasks", "/metrics", "/api/tasks", "/static/css/flower.css"):
        assert [status(path, name) for name in ("evil.example", f"evil.example:{system.flower_port}")] == [421, 421]
    for name in ("localhost", f"127.0.0.1:{system.flower_port}", "[::1]"):
        assert status("/tasks", name) == 200


@pytest.mark.parametrize(
    ("passwords", "complaint"),
    [(None, "listens on loopback, not 0.0.0.0"), ("", "must be name:password"), ("operator", "must be name:password")],
)
def test_without_a_password_it_listens_on_loopback_only(passwords: str | None, complaint: str, tmp_path: Path) -> None:
    around = {"WILLCALL_REDIS_URL": f"unix://{tmp_path}/none"}
    around |= {} if passwords is None else {"FLOWER_BASIC_AUTH": passwords}
    ended = run(tmp_path, "flower", "--address", "0.0.0.0", around=around)  # noqa: S104 - it is refused
    assert ended.code == 2
    assert complaint in ended.err


def test_the_passwords_may_be_in_a_file(tmp_path: Path) -> None:
    around = {"WILLCALL_REDIS_URL": f"unix://{tmp_path}/none", "FLOWER_BASIC_AUTH_FILE": f"{tmp_path}/passwords"}
    ended = run(tmp_path, "flower", around=around)
    assert (ended.code, "passwords: cannot be read: No such file" in ended.err) == (2, True)
    (tmp_path / "passwords").write_text("operator\n")
    ended = run(tmp_path, "flower", around=around)
    assert (ended.code, "must be name:password" in ended.err) == (2, True)
