"""Answers that go wrong on purpose."""

import gzip
import json
from functools import cache
from typing import Any

from willcall.simulator.packing import pack
from willcall.simulator.providers.base import Provider
from willcall.simulator.script import Fault, HugeFault, RedirectFault, SlowFault, SpoilFault, StatusFault, TokenDown
from willcall.simulator.wire import Answer, Manner, ask_to_wait

#: What the `unknown_word` fault says where the provider has its status.
UNKNOWN_WORD = "levitating"

HTML = b"<!doctype html><html><title>Oops</title><body>Something went sideways.</body></html>"
BOMB_BYTES = 64 * 1024 * 1024


def spoil(fault: Fault, usual: Answer, provider: Provider, now: float) -> Answer:
    """What is sent in place of the `usual` answer. The silence of `hang` and the `unknown_word` come before this."""
    answer = _spoilt(fault, usual, provider)
    if fault.packing:
        pack(answer, fault.packing)
    answer.more_headers = [("Retry-After", line) for line in fault.also]
    return ask_to_wait(answer, fault.retry_after, fault.form, now, fault.clock)


def _spoilt(fault: Fault, usual: Answer, provider: Provider) -> Answer:
    match fault:
        case StatusFault():
            return gateway_page(fault.status) if fault.gateway else provider.error(fault.status)
        case SlowFault(do="slow_drip"):
            usual.manner, usual.amount = Manner.DRIP, fault.seconds
        case RedirectFault():
            return Answer(302, headers={"Location": fault.location})
        case HugeFault():
            huge = _json(b"")
            huge.manner, huge.amount = Manner.HUGE, fault.bytes
            return huge
        case SpoilFault():
            return _useless(fault.do, usual, provider)
    return usual


def _useless(do: str, usual: Answer, provider: Provider) -> Answer:
    """The faults that have nothing to set."""
    answer = usual
    match do:
        case "malformed":
            answer = Answer(200, HTML, {"Content-Type": "text/html"})
        case "truncated_json":
            answer = _json(usual.body[: len(usual.body) // 2])
        case "empty":
            answer = _json(b"")
        case "wrong_types":
            answer = _json(json.dumps(wrong_types(json.loads(usual.body))).encode())
        case "gzip_bomb":
            answer = _json(gzip_bomb())
            answer.headers["Content-Encoding"] = "gzip"
        case "token_expired":
            answer = provider.error(401)
        case "reset":
            answer = Answer(0, manner=Manner.RESET)
        case "cut":
            answer.manner, answer.phase = Manner.CUT, None
    return answer


def gateway_page(status: int) -> Answer:
    """What a content delivery network answers in the provider's place."""
    body = b"<!doctype html><html><title>Attention Required!</title><body>Sorry, you have been blocked.</body></html>"
    headers = {"Content-Type": "text/html; charset=UTF-8", "Server": "cloudflare", "CF-RAY": "8a1b2c3d4e5f6071-AMS"}
    return Answer(status, body, headers)


def token_trouble(trouble: TokenDown, provider: Provider) -> Answer:
    """What a token endpoint that is out of order answers."""
    match trouble:
        case "html":
            return Answer(200, HTML, {"Content-Type": "text/html"})
        case "no_token":
            return _json(b'{"status":"ok"}')
        case "unreadable":
            return _json(b'{"access_token": ')
        case "reset":
            return Answer(0, manner=Manner.RESET)
    return provider.error(int(trouble))


def wrong_types(value: Any) -> Any:
    """The same keys with values of a type that nobody expects there."""
    match value:
        case dict():
            return {key: _wrong(inner) for key, inner in value.items()}
        case list():
            return [wrong_types(inner) for inner in value]
    return value


def _wrong(value: Any) -> Any:
    """Objects and lists become words; everything else becomes an object."""
    return "unexpected" if isinstance(value, dict | list) else {"unexpected": True}


@cache
def gzip_bomb() -> bytes:
    """Some 300 kB that unpack to 64 MiB of a JSON string."""
    return gzip.compress(b'"' + b" " * BOMB_BYTES + b'"', compresslevel=1)


def _json(body: bytes) -> Answer:
    """A 200 that claims to be JSON."""
    return Answer(200, body, {"Content-Type": "application/json"})
