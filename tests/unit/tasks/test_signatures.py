"""The arguments of tasks as the last release sends and takes them, as an upgrade finds its messages in the broker."""

from importlib import import_module
from inspect import Parameter, signature

import pytest

#: By module and function: the arguments that the last release sends, in order. None: fields by name, whichever they
#: are. An argument that a later release adds is optional and last, and is sent only by the release after it.
RELEASED = {
    ("tasks.poll", "poll"): ("tasks.poll", ["order_id", "seq", "account"]),
    ("tasks.notify", "notify"): ("tasks.notify", ["order_id", "event_id", "number", "host"]),
    ("tasks.alert", "alert"): ("tasks.alert", ["subject", "event_id", "number"]),
    ("tasks.documents", "fetch_documents"): ("tasks.fetch_documents", ["order_id"]),
    ("tasks.submit", "submit"): ("tasks.submit", None),
    ("schedules.tasks", "sweep"): ("schedules.sweep", ["name"]),
}


@pytest.mark.parametrize(("place", "released"), RELEASED.items(), ids=lambda each: each[0])
def test_a_task_takes_the_messages_of_the_last_release(
    place: tuple[str, str], released: tuple[str, list[str] | None]
) -> None:
    task = getattr(import_module(place[0]), place[1])
    name, arguments = released
    assert task.name == name
    parameters = list(signature(task.run).parameters.values())
    if arguments is None:
        assert [each.kind for each in parameters] == [Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD]
        return
    assert [each.name for each in parameters[: len(arguments)]] == arguments
    assert all(each.default is not Parameter.empty for each in parameters[len(arguments) :])
