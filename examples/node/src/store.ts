/** The shop's database. Each event is handled once, whether it comes as a webhook, from the feed, or by both ways. */

import { DatabaseSync } from "@photostructure/sqlite"; // the API of node:sqlite, which Node.js 22.5 and later have

import type { Event } from "./willcall.js";

const database = new DatabaseSync(process.env.SHOP_DB!);
database.exec(`
  PRAGMA busy_timeout = 10000;
  CREATE TABLE IF NOT EXISTS orders (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, tickets INTEGER NOT NULL DEFAULT 0, changed_at INTEGER NOT NULL DEFAULT 0
  );
  CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
  CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
`);

export function addOrder(id: string): void {
  database.prepare("INSERT OR IGNORE INTO orders (id, status) VALUES (?, 'pending')").run(id);
}

export function findOrder(id: string): unknown {
  return database.prepare("SELECT id, status, tickets FROM orders WHERE id = ?").get(id);
}

export function cursor(): string | undefined {
  return database.prepare("SELECT cursor FROM feed").get()?.cursor as string | undefined;
}

/** Keep the place in the feed, after the events before it were handled. */
export function keepCursor(cursor: string): void {
  database.prepare("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)").run(cursor);
}

/** Handle an event, unless that was done before. */
export function handle(event: Event): void {
  const tickets = event.data.tickets.length;
  const changedAt = Date.parse(event.occurred_at);
  let changed = 0;
  transaction(() => {
    const isNew = database.prepare("INSERT OR IGNORE INTO handled (event_id) VALUES (?)").run(event.id).changes;
    if (isNew) {
      // An event of the feed may be older than what a webhook brought.
      changed = database
        .prepare("UPDATE orders SET status = ?, tickets = ?, changed_at = ? WHERE id = ? AND changed_at <= ?")
        .run(event.data.status, tickets, changedAt, event.order_id, changedAt).changes;
    }
  });
  if (changed) {
    console.log(`${event.type} ${event.order_id}, tickets: ${tickets}`);
  }
}

function transaction(work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}
