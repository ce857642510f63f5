<?php

/** The shop's database. Each event is handled once, whether it comes as a webhook, from the feed, or by both ways. */

declare(strict_types=1);

function database(): PDO
{
    static $database = null;
    if ($database === null) {
        $database = new PDO('sqlite:' . getenv('SHOP_DB'), options: [PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_ASSOC]);
        $database->exec(<<<SQL
            CREATE TABLE IF NOT EXISTS orders (
                id TEXT PRIMARY KEY, status TEXT NOT NULL, tickets INTEGER NOT NULL DEFAULT 0,
                changed_at INTEGER NOT NULL DEFAULT 0
            );
            CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY);
            CREATE TABLE IF NOT EXISTS feed (id INTEGER PRIMARY KEY CHECK (id = 1), cursor TEXT NOT NULL);
        SQL);
    }

    return $database;
}

/** Run a statement; return how many rows it changed. */
function change(string $sql, array $values): int
{
    $statement = database()->prepare($sql);
    $statement->execute($values);

    return $statement->rowCount();
}

/** Return the first row, or null. */
function find(string $sql, array $values = []): ?array
{
    $statement = database()->prepare($sql);
    $statement->execute($values);

    return $statement->fetch() ?: null;
}

/** Handle an event, unless that was done before. */
function handle(array $event): void
{
    $tickets = count($event['data']['tickets']);
    $changedAt = (int) (new DateTimeImmutable($event['occurred_at']))->format('Uv');
    $changed = 0;
    database()->beginTransaction();
    if (change('INSERT OR IGNORE INTO handled (event_id) VALUES (?)', [$event['id']])) {
        // An event of the feed may be older than what a webhook brought.
        $changed = change(
            'UPDATE orders SET status = ?, tickets = ?, changed_at = ? WHERE id = ? AND changed_at <= ?',
            [$event['data']['status'], $tickets, $changedAt, $event['order_id'], $changedAt],
        );
    }
    database()->commit();
    if ($changed) {
        file_put_contents('php://stdout', "{$event['type']} {$event['order_id']}, tickets: $tickets\n");
    }
}
