<?php

/** Follow the event feed: it has every event, also those of the time when the shop was down. */

declare(strict_types=1);

require __DIR__ . '/store.php';
require __DIR__ . '/willcall.php';

while (true) {
    $after = find('SELECT cursor FROM feed')['cursor'] ?? null;
    [$status, $page] = call('GET', '/v1/events?' . http_build_query(['after' => $after, 'wait' => 30])); // null is left out
    if ($status !== 0 && $status < 500 && $status !== 200) {
        throw new WillcallError($page['detail']);
    }
    if (empty($page['items'])) { // there is no event yet, or Willcall is unavailable
        sleep(1);
        continue;
    }
    array_map('handle', $page['items']);
    // Only now: after a crash above, the events are read again.
    change('INSERT OR REPLACE INTO feed (id, cursor) VALUES (1, ?)', [$page['next_cursor']]);
}
