"""Clients on the command line."""

import json
from base64 import b64encode

import pytest

from tests.integration.conftest import CONFIG, Willcall
from willcall.devtools.embedded_redis import EmbeddedRedis

SECRETS = [f"whsec_{b64encode(bytes([n]) * 24).decode()}" for n in range(2)]
CLIENTS = f"""
[api.clients.shop]
keys = ["hunter2-0123456789"]
accounts = ["tiqets/*"]
secret = {SECRETS}
callback_url = "https://shop.example/hook?token=hunter2"

[api.clients.museum]
keys = ["hunter2-0123456780"]
"""
TIQETS = ("--provider", "tiqets", "--reference", "1")


@pytest.fixture
def clients(willcall: Willcall, redis_server: EmbeddedRedis) -> Willcall:
    willcall.configure(CONFIG.format(redis_url=redis_server.url) + CLIENTS)
    return willcall


def test_check_config_shows_clients_without_their_secrets(clients: Willcall) -> None:
    file = clients.folder / "willcall.toml"
    more = f"""accounts = ["tixstock/*", "paylogic/*"]
    [api.clients.park]
    keys = ["hunter2-0123456781", "hunter2-0123456782"]
    secret = "{SECRETS[0]}"
    """
    clients.configure(file.read_text() + more)
    ended = clients("check-config")
    rows = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert "shop 1 tiqets/default shop.example 2 of its own" in rows
    assert "museum 1 tixstock/default each order's own none, unsigned" in rows
    assert "park 2 all each order's own 1 of its own" in rows
    assert "api.clients.museum.accounts.1: paylogic/* matches no account that is configured" in ended.err
    assert not [secret for secret in SECRETS if secret in ended.out + ended.err]


def test_orders_of_clients_are_submitted_imported_shown_and_listed(clients: Willcall) -> None:
    lines = [{"id": "cart-2"}, {"id": "cart-3", "client": "museum"}, {"id": "cart-4", "client": None}, {"client": "x"}]
    (clients.folder / "orders.jsonl").write_text(
        "\n".join(json.dumps({"provider": "tiqets", "reference": f"line-{n}", **line}) for n, line in enumerate(lines))
    )
    one, many, order, all_orders, of_shop, of_museum = clients.all(
        ("submit", *TIQETS, "--id", "cart-1", "--client", "shop", "--json"),
        ("import", "orders.jsonl", "--client", "shop"),
        ("order", "cart-1"),
        ("orders", "--json"),
        ("orders", "--json", "--client", "shop", "--limit", "1"),
        ("orders", "--client", "museum"),
    )
    assert json.loads(one.out)["client"] == "shop"
    assert (many.code, many.out) == (1, "4 lines: 3 new, 0 already there, 0 conflicting, 1 bad.\n")
    assert "line 4: client: unknown client x; configured: museum, shop" in many.err
    assert "client shop" in " ".join(order.out.split())
    found = {line["id"]: line["client"] for line in map(json.loads, all_orders.out.splitlines())}
    assert found == {"cart-1": "shop", "cart-2": "shop", "cart-3": "museum", "cart-4": None}
    assert [json.loads(line)["id"] for line in of_shop.out.splitlines()] == ["cart-2"]
    assert of_shop.err == "Next page: willcall orders --client shop --limit 1 --cursor 2\n"
    assert "museum" in of_museum.out
    assert "cart-3" in of_museum.out


def test_an_unknown_client_or_account_is_explained(clients: Willcall) -> None:
    unknown, forbidden, listed, combined = clients.all(
        ("submit", *TIQETS, "--client", "nobody"),
        ("submit", "--provider", "tixstock", "--reference", "1", "--client", "shop"),
        ("orders", "--client", "nobody"),
        ("orders", "--client", "shop", "--overdue"),
    )
    assert (unknown.code, unknown.err) == (2, "willcall: client: unknown client nobody; configured: museum, shop\n")
    assert forbidden.err == "willcall: account: client shop cannot use tixstock/default; it can use: tiqets/default\n"
    assert "must be one of museum, shop" in listed.err
    assert "can only be combined with" in combined.err
    assert [ended.code for ended in (forbidden, listed, combined)] == [2, 2, 2]
