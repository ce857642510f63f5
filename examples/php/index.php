<?php

/** A shop in plain PHP: it submits orders to Willcall and receives their events. */

declare(strict_types=1);

require __DIR__ . '/store.php';
require __DIR__ . '/willcall.php';

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
match (true) {
    $_SERVER['REQUEST_METHOD'] === 'POST' && $path === '/orders' => buy(),
    $_SERVER['REQUEST_METHOD'] === 'POST' && $path === '/willcall' => receive(),
    str_starts_with($path, '/orders/') => show(rawurldecode(substr($path, strlen('/orders/')))),
    default => http_response_code(404),
};

function buy(): void
{
    $purchase = json_decode(file_get_contents('php://input'), true, flags: JSON_THROW_ON_ERROR);
    // First, for an event may arrive before the response.
    change("INSERT OR IGNORE INTO orders (id, status) VALUES (?, 'pending')", [$purchase['id']]);
    [$status, $order] = call('POST', '/v1/orders', [
        'provider' => 'tiqets',
        'reference' => $purchase['reference'],
        'id' => $purchase['id'],
        'quantity' => $purchase['quantity'],
        'callback_url' => getenv('SHOP_URL') . '/willcall',
    ]);
    if (in_array($status, [200, 201], true)) {
        respond(201, ['id' => $order['id'], 'status' => $order['status']]);
    } else { // after a 503, the same order may be sent again
        respond($status ?: 503, ['error' => $order['detail'] ?? 'Willcall is unavailable']);
    }
}

function show(string $id): void
{
    $order = find('SELECT id, status, tickets FROM orders WHERE id = ?', [$id]);
    respond($order ? 200 : 404, $order ?? ['error' => 'not found']);
}

function receive(): void
{
    try {
        $event = verify(
            file_get_contents('php://input'),
            $_SERVER['HTTP_WEBHOOK_ID'] ?? '',
            $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '',
            $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '',
            getenv('WEBHOOK_SECRET'),
        );
    } catch (WebhookVerificationError) {
        http_response_code(401);

        return;
    }
    handle($event);
    http_response_code(204);
}

function respond(int $status, array $document): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    echo json_encode($document, JSON_THROW_ON_ERROR);
}
