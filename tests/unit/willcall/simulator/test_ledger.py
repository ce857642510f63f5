"""The rules that the ledger checks, over real HTTP with a frozen clock."""

import pytest

from tests.unit.willcall.simulator.conftest import NOON, Start
from willcall.simulator.script import AccountScript, RateScript, Script
from willcall.simulator.state import SimulatorState


def test_nothing_is_too_early_for_an_order_without_hint_or_minimum(start: Start) -> None:
    sim = start({"provider": "tiqets", "ready_after": 5})
    sim.tiqets()
    sim.tiqets()
    assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, 0.0]
    assert sim.client.verdict()["ok"]


@pytest.mark.parametrize(("form", "allowed"), [("seconds", NOON + 3.5), ("date", NOON + 4.0)])
def test_a_202_allows_the_next_request_only_later(start: Start, form: str, allowed: float) -> None:
    hint = {"retry_after": 3, "form": form}
    early = []
    for later in (allowed - 1.0, allowed):
        sim = start({"provider": "funtrips", "ready_after": 9, "pending_hint": hint})
        bearer = sim.bearer()
        for now in (NOON + 0.5, later):
            sim.clock.now = now
            sim.get("/funtrips/v1/admin/fulfillments?checkout_id=1", headers=bearer)
        early.append(sim.entries()[-1]["too_early_by"])
        assert sim.entries()[-1]["allowed_at"] == allowed
    assert early == [1.0, 0.0]


def test_a_429_stops_the_whole_account_but_not_what_was_under_way(start: Start) -> None:
    throttled = {"provider": "tiqets", "answers": [{"do": "status", "status": 429, "retry_after": 2}]}
    sim = start(throttled, {"provider": "tiqets", "reference": "2"}, {"provider": "tixstock"})
    assert sim.tiqets("1").headers["Retry-After"] == "2"
    early = []
    for later in (0.2, 0.5, 1.0, 2.0):
        sim.clock.now = NOON + later
        sim.tiqets("2")
        early.append(sim.entries()[-1]["too_early_by"])
    sim.clock.now = NOON + 1.0
    sim.tixstock()
    assert early == [0.0, 1.5, 1.0, 0.0]
    assert sim.entries()[-1]["too_early_by"] == 0.0
    assert sim.client.verdict()["providers"]["tiqets"]["throttled"] == 1


def test_a_503_concerns_its_order_only(start: Start) -> None:
    unavailable = {"provider": "tiqets", "answers": [{"do": "status", "status": 503, "retry_after": 4}]}
    sim = start(unavailable, {"provider": "tiqets", "reference": "2"})
    for reference in ("1", "2", "1"):
        sim.tiqets(reference)
    assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, 0.0, 4.0]


@pytest.mark.parametrize("answer", [{"do": "usual"}, {"do": "status", "status": 404}, {"do": "malformed"}], ids=str)
def test_a_hint_of_any_response_applies_to_its_order(start: Start, answer: dict[str, object]) -> None:
    hinted = {"provider": "tiqets", "ready_after": 9, "answers": [{**answer, "retry_after": 4, "form": "epoch"}]}
    sim = start(hinted, {"provider": "tiqets", "reference": "2"})
    for reference in ("1", "2", "1"):
        sim.tiqets(reference)
    assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, 0.0, 4.0]


def test_a_hint_of_more_than_a_day_holds_an_account_for_an_hour(start: Start) -> None:
    for status, early in ((503, 0.0), (429, 3_599.0)):
        sim = start({"provider": "tiqets", "answers": [{"do": "status", "status": status, "retry_after": 86_401}]})
        sim.tiqets()
        sim.clock.now += 1
        sim.tiqets()
        assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, early]


def test_a_hint_of_a_token_or_list_applies_to_the_next_of_its_kind(start: Start) -> None:
    patient = ({"do": "usual", "retry_after": 4},)
    sim = start(
        {"provider": "funtrips"},
        accounts=({"provider": "funtrips", "token_answers": patient, "list_answers": patient},),
    )
    for _ in range(2):
        bearer = sim.bearer()
        sim.get("/funtrips/v1/admin/fulfillments", headers=bearer)
        sim.get("/funtrips/v1/admin/fulfillments?checkout_id=1", headers=bearer)
    early = [(entry["kind"], entry["too_early_by"]) for entry in sim.entries()]
    kinds = ("token", "list", "status")
    assert early == [(kind, 0.0) for kind in kinds] + list(zip(kinds, (4.0, 4.0, 0.0), strict=True))


def test_the_minimum_interval_counts_from_arrival_to_arrival(start: Start) -> None:
    sim = start({"provider": "voordemensen", "ready_after": 99})
    for later in (0.0, 9.0, 19.0):
        sim.clock.now = NOON + later
        sim.voordemensen()
    assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, 1.0, 0.0]


def test_an_account_can_have_a_minimum_of_its_own(start: Start) -> None:
    sim = start({"provider": "voordemensen"}, accounts=({"provider": "voordemensen", "minimum": 1},))
    sim.voordemensen()
    sim.clock.now += 1
    sim.voordemensen()
    assert sim.client.verdict()["ok"]


def test_a_future_fulfilment_date_is_a_hint(start: Start) -> None:
    sim = start({"provider": "paylogic", "fulfillment_starts_after": 6})
    sim.paylogic("orders/1")
    sim.clock.now += 5
    sim.paylogic("orders/1")
    sim.clock.now += 1
    assert "shop:etickets" in sim.paylogic("orders/1").json()["_links"]
    assert [entry["too_early_by"] for entry in sim.entries()] == [0.0, 1.0, 0.0]


def test_a_401_may_be_followed_by_a_request_with_a_fresh_token_at_once(start: Start) -> None:
    sim = start(
        {"provider": "funtrips", "answers": [{"do": "token_expired"}]},
        accounts=({"provider": "funtrips", "minimum": 5},),
    )
    path = "/funtrips/v1/admin/fulfillments?checkout_id=1"
    stale = sim.bearer()
    assert [sim.get(path, headers=stale).status_code for _ in range(2)] == [401, 401]
    assert sim.get(path, headers=sim.bearer()).status_code == 200
    verdict = sim.client.verdict()
    assert verdict["ok"]
    assert verdict["providers"]["funtrips"]["unauthorized"] == 1


@pytest.mark.parametrize(("shared", "over"), [("address", 2), (None, 0)])
def test_requests_over_a_shared_rate_are_counted_together(shared: str | None, over: int) -> None:
    rate = RateScript(limit=1, burst=2, shared=shared)
    accounts = tuple(AccountScript(provider="tiqets", name=name, rate=rate) for name in ("default", "other"))
    state = SimulatorState(Script(accounts=accounts), clock=lambda: 1_000.0)
    meters = [state.accounts["tiqets", name].rate_meter for name in ("default", "other") for _ in range(2)]
    assert sum(meter.take(1_000.0) > 0 for meter in meters if meter) == over


def test_requests_over_the_rate_are_counted(start: Start) -> None:
    rate = {"limit": 1, "burst": 2}
    sim = start({"provider": "tiqets"}, accounts=({"provider": "tiqets", "rate": rate},))
    for _ in range(4):
        sim.tiqets()
    tally = sim.client.verdict()["providers"]["tiqets"]
    assert (tally["over_rate"], tally["over_rate_requests"]) == (2.0, 2)


def test_two_requests_at_once_for_one_order_are_noticed(start: Start) -> None:
    sim = start({"provider": "tiqets", "answers": [{"do": "hang", "seconds": 60}]})
    with sim.asking_tiqets():
        sim.tiqets()
    assert [entry["in_flight"] for entry in sim.entries()] == [0, 1]
    assert not sim.client.verdict()["ok"]


def test_unknown_credentials_differ_from_revoked_ones(start: Start) -> None:
    sim = start({"provider": "tiqets"})
    assert sim.get("/tiqets/v2/orders/1/tickets", headers={"Authorization": "Token x"}).status_code == 401
    sim.client.update_account("tiqets", revoked=True)
    assert sim.tiqets().status_code == 401
    sim.client.update_account("tiqets", revoked=False)
    assert sim.tiqets().status_code == 200
    tally = sim.client.verdict()["providers"]["tiqets"]
    assert (tally["wrong_credentials"], tally["unauthorized"]) == (1, 1)


def test_a_request_after_the_final_status_is_recorded(start: Start) -> None:
    sim = start({"provider": "tiqets", "ends": "failed"})
    sim.tiqets()
    sim.tiqets()
    assert [entry["after_final"] for entry in sim.entries()] == [False, True]
    assert sim.entries()[-1]["order_status"] == "failed"
