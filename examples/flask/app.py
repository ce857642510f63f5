"""A shop on Flask: it submits orders to Willcall, receives their events, and follows the feed (`flask follow`)."""

import os
import sqlite3
from typing import Any

from flask import Flask, Response, g, request

from willcall_client import Client, Event, UnavailableError, WebhookVerificationError
from willcall_client.webhooks import verify

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, tickets INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
"""

app = Flask(__name__)
willcall = Client(os.environ["WILLCALL_URL"], os.environ["WILLCALL_KEY"])


def database() -> sqlite3.Connection:
    if "database" not in g:
        g.database = sqlite3.connect(os.environ["SHOP_DB"])
        g.database.executescript(SCHEMA)
    return g.database


@app.teardown_appcontext
def close_database(_: object) -> None:
    if "database" in g:
        g.pop("database").close()


@app.post("/orders")
def buy() -> "tuple[dict[str, Any], int]":
    purchase = request.get_json()
    with database() as transaction:  # first, for an event may arrive before the response
        transaction.execute("INSERT OR IGNORE INTO orders (id, status) VALUES (?, 'pending')", [purchase["id"]])
    try:
        order = willcall.submit(
            "tiqets",
            purchase["reference"],
            id=purchase["id"],
            quantity=purchase["quantity"],
            callback_url=f"{os.environ['SHOP_URL']}/willcall",
        )
    except UnavailableError:
        return {"error": "try again: the same order is accepted once"}, 503
    return {"id": order.id, "status": order.status}, 201


@app.get("/orders/<order_id>")
def show(order_id: str) -> "tuple[dict[str, Any], int]":
    row = database().execute("SELECT id, status, tickets FROM orders WHERE id = ?", [order_id]).fetchone()
    if row is None:
        return {"error": "not found"}, 404
    return dict(zip(("id", "status", "tickets"), row, strict=True)), 200


@app.post("/willcall")
def receive() -> Response:
    try:
        event = verify(request.get_data(), request.headers, os.environ["WEBHOOK_SECRET"])
    except WebhookVerificationError:
        return Response(status=401)
    handle(event)
    return Response(status=204)


@app.cli.command("follow")
def follow() -> None:
    """Follow the event feed: it has every event, also those of the time when the shop was down."""
    row = database().execute("SELECT cursor FROM feed").fetchone()
    feed = willcall.events(after=row and row[0])
    for event in feed.follow():  # continues after an outage of Willcall
        handle(event, feed.cursor)


def handle(event: Event, cursor: "str | None" = None) -> None:
    """Handle an event, unless that was done before; keep the place in the feed in the same transaction."""
    tickets, changed_at = len(event.data.tickets), event.occurred_at.timestamp()
    with database() as transaction:
        if cursor is not None:
            transaction.execute("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)", [cursor])
        new = transaction.execute("INSERT OR IGNORE INTO handled (event_id) VALUES (?)", [event.id]).rowcount
        if not new:
            return
        # An event of the feed may be older than what a webhook brought.
        changed = transaction.execute(
            "UPDATE orders SET status = ?, tickets = ?, changed_at = ? WHERE id = ? AND changed_at <= ?",
            [event.data.status, tickets, changed_at, event.order_id, changed_at],
        ).rowcount
    if changed:
        print(f"{event.type} {event.order_id}, tickets: {tickets}", flush=True)
