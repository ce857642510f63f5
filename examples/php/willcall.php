<?php

/** What the shop needs of Willcall: calls of its API, and the verification of its webhooks. */

declare(strict_types=1);

final class WillcallError extends RuntimeException
{
}

final class WebhookVerificationError extends RuntimeException
{
}

/**
 * Call the API; return the status (0 if there was no response) and the JSON of the response.
 *
 * @return array{int, array<string, mixed>}
 */
function call(string $method, string $path, ?array $body = null): array
{
    $request = curl_init(getenv('WILLCALL_URL') . $path);
    curl_setopt_array($request, [
        CURLOPT_CUSTOMREQUEST => $method,
        CURLOPT_HTTPHEADER => ['Authorization: Bearer ' . getenv('WILLCALL_KEY'), 'Content-Type: application/json'],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60,
    ]);
    if ($body !== null) {
        curl_setopt($request, CURLOPT_POSTFIELDS, json_encode($body, JSON_THROW_ON_ERROR));
    }
    $response = curl_exec($request);
    $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);

    return [$status, $response ? json_decode($response, true) ?? [] : []];
}

/**
 * Return the event of a webhook that Willcall signed within the last five minutes.
 *
 * $body is the raw body, as it was received: one that was parsed and written again has another signature.
 */
function verify(string $body, string $id, string $timestamp, string $signatures, string $secret): array
{
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > 300) {
        throw new WebhookVerificationError('the webhook is too old');
    }
    $key = base64_decode(substr($secret, strlen('whsec_')));
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
    foreach (explode(' ', $signatures) as $signature) { // several while the secret is being replaced
        if (hash_equals($expected, $signature)) {
            return json_decode($body, true, flags: JSON_THROW_ON_ERROR);
        }
    }
    throw new WebhookVerificationError('the signature is wrong');
}
