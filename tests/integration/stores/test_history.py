"""What people did, in orders' timelines and in the lists of accounts and of the installation."""

from tests.integration.stores.conftest import ACCOUNT, StoreHarness
from willcall.orders.history import Action, Actor, HistoryEntry, timeline_entry
from willcall.stores import keys
from willcall.stores.commits import TIMELINE
from willcall.stores.history import KEPT

ANNA = Actor("operator anna")


def test_an_entry_names_the_actor_first() -> None:
    entry = timeline_entry(Action.AMENDED, ANNA, 12.0, "quantity 4 to 2")
    assert (entry.at, entry.outcome, entry.why) == (12.0, "amended", "operator anna; quantity 4 to 2")
    assert timeline_entry(Action.CANCELLED, ANNA, 12.0).why == "operator anna"


def test_an_action_that_is_repeated_leaves_one_line(harness: StoreHarness) -> None:
    harness.submit()
    history = harness.stores.history
    for at in (1.0, 2.0, 3.0):
        assert history.append_to_order("ord-1", timeline_entry(Action.POLL_REQUESTED, ANNA, at))
    assert history.append_to_order("ord-1", timeline_entry(Action.POLL_REQUESTED, Actor("client shop"), 4.0))
    lines = [(entry.at, entry.why) for entry in harness.stores.orders.timeline("ord-1")]
    assert lines == [(3.0, "operator anna"), (4.0, "client shop")]


def test_a_timeline_stays_bounded_and_none_is_made_for_an_unknown_order(harness: StoreHarness) -> None:
    harness.submit()
    for number in range(TIMELINE + 3):
        harness.stores.history.append_to_order("ord-1", timeline_entry(Action.AMENDED, ANNA, number, str(number)))
    assert len(harness.stores.orders.timeline("ord-1")) == TIMELINE
    assert not harness.stores.history.append_to_order("ord-2", timeline_entry(Action.AMENDED, ANNA, 1.0))
    assert not harness.redis.exists(keys.attempts("ord-2"))


def test_histories_of_accounts_and_of_the_installation_are_bounded_and_merged(harness: StoreHarness) -> None:
    history = harness.stores.history
    for number in range(KEPT + 3):
        history.append(HistoryEntry(float(number), "paused", "operator anna", str(number), ACCOUNT))
    history.append(HistoryEntry(50.0, "reloaded", "command line (root)"))
    assert len(history.newest([ACCOUNT])) == KEPT + 1
    assert [entry.action for entry in history.newest([])] == ["reloaded"]
    found = history.newest([ACCOUNT, "tiqets/other"], installation=False)
    assert [entry.at for entry in found] == [float(number) for number in range(KEPT + 2, 2, -1)]
    assert found[0].account == ACCOUNT
