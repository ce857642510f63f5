"""Orders with credentials of their own user: used for them alone, shown nowhere, forgotten at their end."""

import json
import zlib
from base64 import b64decode, b64encode
from typing import Any

import pytest

from schedules.sweeps import run_sweep
from tests.integration.usecases.conftest import Setup, System
from willcall.orders.errors import ClosedOrderError, RejectedOrderError
from willcall.orders.history import Actor
from willcall.orders.model import Attention, Order, Status
from willcall.orders.serialization import order_to_json
from willcall.orders.submission import parse_submission
from willcall.providers.base import Account
from willcall.simulator.script import OrderScript
from willcall.stores import keys
from willcall.stores.accounts import AccountHealth
from willcall.stores.dead_letters import DeadLetterReason
from willcall.stores.letter_contents import submits
from willcall.usecases import poll_once
from willcall.usecases.context import Context
from willcall.usecases.credentials import account_of, replace_credentials
from willcall.usecases.dead_letters import dead_letter_schema
from willcall.usecases.documents import fetch_documents
from willcall.usecases.downloads import DownloadResult
from willcall.usecases.orders import request_poll
from willcall.usecases.settle import settle_expired
from willcall.usecases.submit import submit

#: What the simulator takes, at the account `default` of each, and how an order with it is known.
GOOD = {
    "funtrips": ("public_bearer", "funtrips-default-public"),
    "paylogic": ("cognito_token", "paylogic-default-cognito"),
}
LISTS = {"funtrips": "me", "paylogic": "mine"}
ANNA = Actor("operator anna")
OTHER = "somebody-elses-token"

providers = pytest.mark.parametrize("provider", sorted(GOOD))


def credentials(provider: str, token: str | None = None) -> dict[str, str]:
    name, good = GOOD[provider]
    return {name: token or good}


def parsed(provider: str, token: str | None = None) -> Any:
    payload = {"provider": provider, "reference": "x", "credentials": credentials(provider, token)}
    return parse_submission(payload).credentials


@pytest.fixture
def system(make_system: Setup) -> System:
    return make_system(rate={"limit": 1_000, "period": 1, "burst": 1_000})


def bought(system: System, provider: str, name: str = "bought-1", quantity: int = 1) -> None:
    script = {"provider": provider, "reference": name, "external_user_id": LISTS[provider], "quantity": quantity}
    system.providers.add_orders([OrderScript.model_validate(script)])


def place(system: System, provider: str, order_id: str = "ord-1", token: str | None = None, **fields: Any) -> str:
    payload = {"id": order_id, "provider": provider, "reference": LISTS[provider], "quantity": 1, **fields}
    return submit(system.context, {**payload, "credentials": credentials(provider, token)}).order_id


def stored(system: System, token: str) -> list[str]:
    """Return the keys that hold a token."""
    readers: dict[str, Any] = {
        "string": system.redis.get,
        "hash": system.redis.hgetall,
        "list": lambda key: system.redis.lrange(key, 0, -1),
        "set": system.redis.smembers,
        "zset": lambda key: system.redis.zrange(key, 0, -1),
        "stream": system.redis.xrange,
    }
    return [key for key in system.redis.scan_iter() if token in f"{key} {readers[system.redis.type(key)](key)}"]


@providers
def test_an_order_is_polled_with_its_users_credentials_until_it_ends(
    system: System, provider: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token = GOOD[provider][1]
    place(system, provider)
    assert system.poll().status is Status.PENDING
    assert stored(system, token) == [keys.credentials("ord-1")]
    bought(system, provider)
    order = system.poll()
    assert (order.status, order.attempts) == (Status.FULFILLED, 2)
    assert stored(system, token) == []
    assert not system.redis.zcard(keys.CREDENTIALS)
    kinds = {entry["kind"] for entry in system.providers.ledger(provider=provider)}
    assert kinds == {"status"}  # no access token was requested for it
    shown = capsys.readouterr()
    assert token not in f"{order!r} {json.dumps(order_to_json(order))} {shown.out} {shown.err}"


@pytest.mark.parametrize(("provider", "first"), [("funtrips", "ord-1"), ("funtrips", "ord-2"), ("paylogic", "ord-1")])
def test_an_answer_is_not_shared_with_other_credentials(system: System, provider: str, first: str) -> None:
    bought(system, provider)
    submit(system.context, {"id": "ord-1", "provider": provider, "reference": "bought-1", "quantity": 1})
    for order_id, token in (("ord-2", None), ("ord-3", OTHER)):
        place(system, provider, order_id, token, reference="bought-1", allow_duplicate=True)
    assert system.poll(first).status is Status.FULFILLED
    assert system.order("ord-3").tickets == ()


@providers
def test_an_answer_to_replaced_credentials_is_not_shared_with_orders_of_the_earlier_ones(
    system: System, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bought(system, provider, quantity=2)
    for order_id in ("ord-1", "ord-2"):
        place(system, provider, order_id, OTHER)

    def account_after_a_change(context: Context, account: Account, order: Order) -> Account | None:
        replace_credentials(context, order.id, parsed(provider), ANNA)
        return account_of(context, account, order)

    monkeypatch.setattr(poll_once, "account_of", account_after_a_change)
    system.poll("ord-1")
    assert system.order("ord-2").attempts == 0


@providers
def test_rejected_credentials_are_that_orders_trouble(system: System, provider: str) -> None:
    bought(system, provider)
    for number in range(4):
        place(system, provider, f"ord-{number}", f"{OTHER}-{number}")
        order = system.poll(f"ord-{number}")
        assert (order.status, order.attention) == (Status.PENDING, Attention.UNAUTHORIZED)
        assert (order.next_poll_at or 0) > system.context.stores.accounts.now() + 150
        assert OTHER not in str(system.context.stores.orders.timeline(order.id))
    account = system.context.accounts[f"{provider}/default"]
    assert system.context.stores.accounts.state(account.key, account.rate).health is AccountHealth.OK
    assert not system.redis.hget(keys.account(account.key), "refused")

    replace_credentials(system.context, "ord-1", parsed(provider), ANNA)
    assert system.outbox.messages[-1].order_id == "ord-1"
    order = system.poll("ord-1")
    assert (order.status, order.attention) == (Status.FULFILLED, None)
    with pytest.raises(ClosedOrderError, match="order ord-1 is fulfilled; its credentials are no longer needed"):
        replace_credentials(system.context, "ord-1", parsed(provider), ANNA)


def test_an_account_parked_by_its_own_key_does_not_stop_them(make_system: Setup) -> None:
    system = make_system()
    system.redis.hset(keys.account("paylogic/default"), mapping={"state": "unauthorized", "probe_at": 2**50})
    bought(system, "paylogic")
    place(system, "paylogic")
    assert system.poll().status is Status.FULFILLED
    # Nor does their success say that the key works again.
    account = system.context.accounts["paylogic/default"]
    state = system.context.stores.accounts.state(account.key, account.rate)
    assert state.health is AccountHealth.UNAUTHORIZED
    place(system, "paylogic", "ord-2")
    system.redis.hset(keys.account(account.key), "probe_at", 1)
    assert system.context.stores.schedule.release_probe(account.key, account.bucket, 0).message is None
    submit(system.context, {"id": "ord-3", "provider": "paylogic", "reference": "checkout-3"})
    assert system.poll("ord-3").attention is None  # it is the probe, and the key is good
    assert system.context.stores.accounts.state(account.key, account.rate).health is AccountHealth.OK


def test_credentials_stay_until_the_documents_are_here(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    bought(system, "funtrips")
    place(system, "funtrips")
    with monkeypatch.context() as patch:
        patch.setattr(
            "willcall.usecases.documents.download_missing",
            lambda _context, _account, _id, tickets, *_, **__: DownloadResult(tickets, missing=1),
        )
        assert system.poll().status is Status.FULFILLED
    assert stored(system, GOOD["funtrips"][1]) == [keys.credentials("ord-1")]
    assert request_poll(system.context, "ord-1", ANNA).outcome == "sent"
    system.redis.zadd(keys.FETCHES_DUE, {"ord-1": 1})
    assert fetch_documents(system.context, "ord-1") is None
    assert stored(system, GOOD["funtrips"][1]) == []
    with pytest.raises(ClosedOrderError):
        request_poll(system.context, "ord-1", ANNA)


def test_an_expired_order_is_not_watched(system: System) -> None:
    place(system, "funtrips")
    assert settle_expired(system.context, system.order(), system.context.stores.accounts.now())
    assert stored(system, GOOD["funtrips"][1]) == []
    assert system.redis.zscore(keys.LATE, "ord-1") is None
    with pytest.raises(ClosedOrderError, match="polling cannot change that"):
        request_poll(system.context, "ord-1", ANNA)


def test_orders_of_different_users_share_no_answer(system: System) -> None:
    bought(system, "funtrips", quantity=2)
    place(system, "funtrips", "ord-1")
    place(system, "funtrips", "ord-2", OTHER)
    place(system, "funtrips", "ord-3")
    place(system, "funtrips", "ord-4", quantity=9)
    system.poll("ord-1")
    assert [system.order(f"ord-{number}").attempts for number in (1, 2, 3, 4)] == [1, 0, 1, 1]
    # With other credentials the order may be of the other user.
    assert system.order("ord-4").sharing != system.order("ord-2").sharing
    replace_credentials(system.context, "ord-4", parsed("funtrips", OTHER), ANNA)
    assert system.order("ord-4").sharing == system.order("ord-2").sharing


def test_what_the_release_before_left_is_removed_after_the_deadline(system: System) -> None:
    for number in (1, 2, 3):
        place(system, "paylogic", f"ord-{number}")
        system.redis.zadd(keys.CREDENTIALS, {f"ord-{number}": 1})
    # It does not know of credentials, and ends orders without removing them.
    system.redis.hset(keys.order("ord-1"), mapping={"status": "expired", "finished": 1})
    system.redis.delete(keys.order("ord-2"))
    run_sweep(system.context, "prune")
    assert system.redis.zrange(keys.CREDENTIALS, 0, -1) == ["ord-3"]
    assert stored(system, GOOD["paylogic"][1]) == [keys.credentials("ord-3")]
    assert (system.redis.zscore(keys.CREDENTIALS, "ord-3") or 0) > 1


@pytest.mark.parametrize(
    ("provider", "given", "message"),
    [
        ("tiqets", {"cognito_token": "secret-1"}, "credentials: tiqets has no credentials of users; leave it out"),
        ("paylogic", {"public_bearer": "secret-1"}, "credentials: must be an object with cognito_token alone"),
        ("funtrips", {"public_bearer": "secret-1", "cognito_token": "x"}, "must be an object with public_bearer alone"),
        ("paylogic", {"cognito_token": "secret-1\r\nx: y"}, "credentials.cognito_token: contains a line break"),
        ("paylogic", {"cognito_token": "secret-1 é"}, "credentials.cognito_token: must be printable ASCII"),
        ("paylogic", {"cognito_token": ""}, "credentials.cognito_token: must not be empty"),
        ("paylogic", {"cognito_token": "secret-1" * 1_000}, "must be at most 7,000 characters each"),
        ("paylogic", {"cognito_token": 7}, "credentials.cognito_token: must be text"),
        ("paylogic", {"eyJ.secret-1": "x"}, "credentials: must have only the provider's name of a credential"),
        ("paylogic", "secret-1", "credentials: must be an object"),
        ("paylogic", {"cognito_token_file": "/etc/passwd"}, "must be an object with cognito_token alone"),
    ],
)
def test_other_credentials_are_rejected_and_not_quoted(system: System, provider: str, given: Any, message: str) -> None:
    reference = "7654321" if provider == "tiqets" else LISTS[provider]
    payload = {"provider": provider, "reference": reference, "quantity": 1, "credentials": given}
    with pytest.raises(RejectedOrderError) as raised:
        submit(system.context, payload)
    assert message in str(raised.value)
    assert "secret-1" not in str(raised.value)


def test_submitting_again_changes_no_credentials(system: System) -> None:
    place(system, "paylogic")
    payload = {"id": "ord-1", "provider": "paylogic", "reference": "mine", "quantity": 1}
    assert not submit(system.context, {**payload, "credentials": credentials("paylogic", OTHER)}).new
    assert system.context.stores.credentials.get("ord-1") == credentials("paylogic")


def test_a_compressed_dead_letter_is_not_shown_and_found_by_its_order(system: System) -> None:
    body = json.dumps([[], {"id": "ord-1", "reference": "mine", "credentials": credentials("paylogic")}, {}])
    compressed, content_encoding = b64encode(zlib.compress(body.encode())).decode(), {"body_encoding": "base64"}
    headers = {"id": "t-1", "compression": "application/x-gzip"}
    raw = json.dumps({"body": compressed, "headers": headers, "properties": content_encoding}).encode()
    system.context.stores.dead_letters.add("willcall", DeadLetterReason.FAILED, raw)
    (letter,) = system.context.stores.dead_letters.newest()
    assert compressed not in dead_letter_schema(letter).raw
    assert submits(raw, "ord-1")
    assert not submits(raw, "ord-2")


@pytest.mark.parametrize("encoding", ["base64", "utf-8"])
@pytest.mark.parametrize("cut", [None, 200])
def test_dead_letters_show_no_credentials(system: System, encoding: str, cut: int | None) -> None:
    body = json.dumps([[], {"id": "ord-1", "reference": "mine", "credentials": credentials("paylogic")}, {}])
    text = b64encode(body.encode()).decode() if encoding == "base64" else body
    headers = {"id": "t-1", "kwargsrepr": repr(credentials("paylogic"))}
    raw = json.dumps({"body": text, "headers": headers, "properties": {"body_encoding": encoding}}).encode()
    system.context.stores.dead_letters.add("willcall", DeadLetterReason.FAILED, raw[:cut])
    (letter,) = system.context.stores.dead_letters.newest()
    shown = dead_letter_schema(letter).raw
    token = GOOD["paylogic"][1]
    assert token not in shown
    assert b64encode(token.encode())[4:-4].decode() not in shown
    assert "not shown" in shown or b"not shown" in _decoded(shown)


def _decoded(shown: str) -> bytes:
    return b64decode(json.loads(shown)["body"])
