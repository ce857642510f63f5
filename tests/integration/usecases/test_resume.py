"""What `resume` and `poll` do with an account that is rejected or down. Real HTTP, a real Redis."""

from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.actors import ANNA
from tests.integration.usecases.conftest import POLLING, Setup, System
from willcall.orders.model import Status
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import OUTAGES, AccountHealth, AccountState, ResumeOutcome
from willcall.stores.schedule import ExpediteOutcome
from willcall.usecases.accounts import resume
from willcall.usecases.orders import cancel_order, request_poll
from willcall.views.promises import describe_resume, read_conditions

ACCOUNT = "tiqets/default"
HINT = 300
#: By the health that it leads to, what the provider answers to the first requests, and how many it takes.
ANSWERS = {AccountHealth.UNAUTHORIZED: (401, 1), AccountHealth.DOWN: (503, OUTAGES)}


def submit(h: System, order_id: str, *answers: dict[str, Any]) -> None:
    reference = str(1_000_000 + int(h.redis.incr("references")))
    script = {"provider": "tiqets", "reference": reference, "answers": answers, "ready_after": 0}
    h.submit(OrderScript.model_validate(script), id=order_id)


def state(h: System) -> AccountState:
    return h.context.stores.accounts.state(ACCOUNT, h.context.accounts[ACCOUNT].rate)


def stop(h: System, health: AccountHealth, retry_after: int | None = None) -> list[str]:
    """Orders whose answers stop their account, each with this hint."""
    status, count = ANSWERS[health]
    names = [f"ord-{n}" for n in range(count)]
    for name in names:
        submit(h, name, {"do": "status", "status": status, "retry_after": retry_after})
    for name in names:
        h.poll(name)
    assert state(h).health is health
    h.outbox.messages.clear()
    return names


def run_messages(h: System) -> None:
    """Run what is on its way, each with a token at hand."""
    for message in h.outbox.messages[:]:
        assert message.due <= h.context.stores.accounts.now()
        h.redis.delete(keys.tokens(ACCOUNT))
        if h.order(message.order_id).seq == message.seq:
            h.poll(message.order_id)


@pytest.mark.parametrize("health", ANSWERS)
def test_resume_without_an_override_keeps_a_hint_and_returns_its_end(make_system: Setup, health: AccountHealth) -> None:
    h = make_system()
    before = h.context.stores.accounts.now()
    stop(h, health, HINT)
    requests = len(h.providers.ledger())
    resumed = resume(h.context, h.context.accounts[ACCOUNT], ANNA)
    now = h.context.stores.accounts.now()
    assert resumed.until is not None
    assert before + HINT <= resumed.until <= now + HINT
    assert "allows no request until" in describe_resume(
        resumed, read_conditions(h.context.stores, h.context.accounts, ACCOUNT), ""
    )
    assert (h.outbox.messages, len(h.providers.ledger())) == ([], requests)
    assert state(h).hint_until == resumed.until, "the board offers to ask all the same"


@pytest.mark.parametrize("health", ANSWERS)
def test_resume_with_an_override_ends_the_hint_for_every_held_order(make_system: Setup, health: AccountHealth) -> None:
    h = make_system()
    names = stop(h, health, HINT)
    resumed = resume(h.context, h.context.accounts[ACCOUNT], ANNA, override=True)
    assert (resumed.probing is not None, resumed.until, state(h).hint_until) == (True, None, None)
    assert h.outbox.messages
    run_messages(h)
    assert state(h).health is AccountHealth.OK
    h.outbox.messages.clear()
    run_sweep(h.context, "polls")
    run_messages(h)
    assert {h.order(name).status for name in names} == {Status.FULFILLED}


def test_resuming_a_stopped_account_whose_last_order_was_cancelled_promises_no_request(make_system: Setup) -> None:
    h = make_system()
    (name,) = stop(h, AccountHealth.UNAUTHORIZED)
    cancel_order(h.context, name, ANNA)
    resumed = resume(h.context, h.context.accounts[ACCOUNT], ANNA)
    assert resumed == ResumeOutcome(probing=0)
    promise = describe_resume(resumed, read_conditions(h.context.stores, h.context.accounts, ACCOUNT), "")
    assert promise.startswith("has no open orders; the next one")
    submit(h, "next")
    assert h.poll("next").status is Status.FULFILLED
    assert state(h).health is AccountHealth.OK


@pytest.mark.parametrize("refused", [True, False])
def test_poll_promises_no_request_while_the_account_is_stopped(make_system: Setup, *, refused: bool) -> None:
    h = make_system(polling=POLLING | {"ceiling": 7_200})
    submit(h, "waiting", {"do": "status", "status": 503, "retry_after": HINT})
    h.poll("waiting")
    account = h.context.accounts[ACCOUNT]
    if refused:
        stop(h, AccountHealth.UNAUTHORIZED)
    else:
        h.context.stores.accounts.pause(ACCOUNT, None)
    for now in (False, True):
        expedited = request_poll(h.context, "waiting", ANNA, override=now)
        assert (expedited.outcome, expedited.at) == (ExpediteOutcome.HELD, None)
    resume(h.context, account, ANNA)
    assert request_poll(h.context, "waiting", ANNA).outcome is not ExpediteOutcome.HELD or refused
