"""Scripted faults: responses that are wrong, late, broken or in an unusual encoding."""

import gzip
import json
import zlib
from collections.abc import Callable
from functools import cache
from typing import Any

from willcall.simulator.http_messages import SimulatedResponse, Transmission, set_retry_after
from willcall.simulator.providers.base import Provider
from willcall.simulator.script import (
    BadResponseFault,
    BodyEncoding,
    ContentCoding,
    Fault,
    HugeFault,
    RedirectFault,
    SlowFault,
    StatusFault,
    TokenFailure,
)

#: What the `unknown_word` fault says where the provider has its status.
UNKNOWN_WORD = "levitating"

HTML = b"<!doctype html><html><title>Oops</title><body>Something went sideways.</body></html>"
BOMB_BYTES = 64 * 1024 * 1024


def apply_fault(fault: Fault, usual: SimulatedResponse, provider: Provider, now: float) -> SimulatedResponse:
    """Return the response to send in place of the usual one. `hang` and `unknown_word` are handled by the caller."""
    response = _faulty(fault, usual, provider)
    if fault.packing:
        encode_body(response, fault.packing)
    response.more_headers = [("Retry-After", line) for line in fault.also]
    return set_retry_after(response, fault.retry_after, fault.form, now, fault.clock)


def _faulty(fault: Fault, usual: SimulatedResponse, provider: Provider) -> SimulatedResponse:
    match fault:
        case StatusFault():
            return gateway_page(fault.status) if fault.gateway else provider.error_response(fault.status)
        case SlowFault(do="slow_drip"):
            usual.transmission, usual.amount = Transmission.DRIP, fault.seconds
        case RedirectFault():
            return SimulatedResponse(302, headers={"Location": fault.location})
        case HugeFault():
            huge = _json(b"")
            huge.transmission, huge.amount = Transmission.HUGE, fault.bytes
            return huge
        case BadResponseFault():
            return _bad(fault.do, usual, provider)
    return usual


def _bad(do: str, usual: SimulatedResponse, provider: Provider) -> SimulatedResponse:
    """Return the response for a fault without parameters."""
    response = usual
    match do:
        case "malformed":
            response = SimulatedResponse(200, HTML, {"Content-Type": "text/html"})
        case "truncated_json":
            response = _json(usual.body[: len(usual.body) // 2])
        case "empty":
            response = _json(b"")
        case "wrong_types":
            response = _json(json.dumps(wrong_types(json.loads(usual.body))).encode())
        case "gzip_bomb":
            response = _json(gzip_bomb())
            response.headers["Content-Encoding"] = "gzip"
        case "token_expired":
            response = provider.error_response(401)
        case "reset":
            response = SimulatedResponse(0, transmission=Transmission.RESET)
        case "cut":
            response.transmission, response.order_status = Transmission.CUT, None
    return response


def gateway_page(status: int) -> SimulatedResponse:
    """Return the error page of a content delivery network in front of the provider."""
    body = b"<!doctype html><html><title>Attention Required!</title><body>Sorry, you have been blocked.</body></html>"
    headers = {"Content-Type": "text/html; charset=UTF-8", "Server": "cloudflare", "CF-RAY": "8a1b2c3d4e5f6071-AMS"}
    return SimulatedResponse(status, body, headers)


def token_failure(failure: TokenFailure, provider: Provider) -> SimulatedResponse:
    """Return the response of a token endpoint that does not work."""
    match failure:
        case "html":
            return SimulatedResponse(200, HTML, {"Content-Type": "text/html"})
        case "no_token":
            return _json(b'{"status":"ok"}')
        case "unreadable":
            return _json(b'{"access_token": ')
        case "reset":
            return SimulatedResponse(0, transmission=Transmission.RESET)
    return provider.error_response(int(failure))


def wrong_types(value: Any) -> Any:
    """Return the same keys with values of unexpected types."""
    match value:
        case dict():
            return {key: _wrong(inner) for key, inner in value.items()}
        case list():
            return [wrong_types(inner) for inner in value]
    return value


def _wrong(value: Any) -> Any:
    """Objects and lists become strings; everything else becomes an object."""
    return "unexpected" if isinstance(value, dict | list) else {"unexpected": True}


@cache
def gzip_bomb() -> bytes:
    """Return some 300 kB of gzip that decompress to a JSON string of 64 MiB."""
    return gzip.compress(b'"' + b" " * BOMB_BYTES + b'"', compresslevel=1)


def _json(body: bytes) -> SimulatedResponse:
    """Return a 200 labelled as JSON."""
    return SimulatedResponse(200, body, {"Content-Type": "application/json"})


def encode_body(response: SimulatedResponse, encoding: BodyEncoding) -> None:
    """Encode the body as the script says, and set its headers."""
    body = response.body
    if encoding.charset != "utf-8":
        body = json.dumps(json.loads(body), ensure_ascii=False).encode(encoding.charset)
    for coding in encoding.codings:
        body = _CODINGS[coding](body)
    response.body = body
    response.headers["Content-Type"] = encoding.content_type
    if encoding.content_encoding is not None:
        response.headers["Content-Encoding"] = encoding.content_encoding


def _gzip_members(body: bytes) -> bytes:
    """Compress as two gzip members, as `cat a.gz b.gz` and some servers do."""
    half = len(body) // 2
    return gzip.compress(body[:half]) + gzip.compress(body[half:])


def _gzip_padded(body: bytes) -> bytes:
    """Compress as gzip and append zeros, as some servers do to fill their blocks."""
    return gzip.compress(body) + bytes(512)


def _deflate(body: bytes) -> bytes:
    """Compress as raw deflate, without the zlib header that the RFC requires."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


_CODINGS: dict[ContentCoding, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip_members": _gzip_members,
    "gzip_padded": _gzip_padded,
    "zlib": zlib.compress,
    "deflate": _deflate,
}
