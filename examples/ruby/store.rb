# The shop's database. Each event is handled once, whether it comes as a webhook, from the feed, or by both ways.

require "sqlite3"
require "time"

class Store
  SCHEMA = <<~SQL.freeze
    CREATE TABLE IF NOT EXISTS orders (
      id TEXT PRIMARY KEY, status TEXT NOT NULL, tickets INTEGER NOT NULL DEFAULT 0, changed_at REAL NOT NULL DEFAULT 0
    );
    CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
  SQL

  def initialize(path)
    @database = SQLite3::Database.new(path, results_as_hash: true)
    @database.busy_timeout = 10_000
    @database.execute_batch(SCHEMA)
  end

  def add(id)
    @database.execute("INSERT OR IGNORE INTO orders (id, status) VALUES (?, 'pending')", [id])
  end

  def find(id)
    @database.get_first_row("SELECT id, status, tickets FROM orders WHERE id = ?", [id])
  end

  def cursor
    @database.get_first_value("SELECT cursor FROM feed")
  end

  def cursor=(cursor)
    @database.execute("INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)", [cursor])
  end

  # Handles an event, unless that was done before.
  def handle(event)
    tickets = event["data"]["tickets"].length
    changed = false
    @database.transaction(:immediate) { changed = new?(event) && update(event, tickets) }
    puts "#{event['type']} #{event['order_id']}, tickets: #{tickets}" if changed
  end

  private

  def new?(event)
    @database.execute("INSERT OR IGNORE INTO handled (event_id) VALUES (?)", [event["id"]])
    @database.changes.positive?
  end

  # An event of the feed may be older than what a webhook brought.
  def update(event, tickets)
    changed_at = Time.iso8601(event["occurred_at"]).to_f
    @database.execute(
      "UPDATE orders SET status = ?, tickets = ?, changed_at = ? WHERE id = ? AND changed_at <= ?",
      [event["data"]["status"], tickets, changed_at, event["order_id"], changed_at]
    )
    @database.changes.positive?
  end
end
