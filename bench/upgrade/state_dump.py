"""The state in Redis as JSON: keys in order, each with its type, its content and the milliseconds that it is kept."""

import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from willcall.stores.keys import PREFIX, PROCESSES

#: Keys of running processes, which mean nothing later.
_TRANSIENT = (PROCESSES, f"{PREFIX}process:", f"{PREFIX}lease:", f"{PREFIX}broker:wakeup:", f"{PREFIX}oauth:")


def dump(redis: Any, path: Path, **about: Any) -> None:
    """Write all keys of the state and the broker to a file. `redis` does not decode; `about` is written with them."""
    moment, micros = redis.time()
    names = sorted(key.decode() for key in redis.scan_iter("willcall*", count=1_000))
    keys = {name: _read(redis, name) for name in names if not name.startswith(_TRANSIENT)}
    document = {"at": moment * 1_000 + micros // 1_000, **about, "keys": keys}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load(redis: Any, path: Path) -> dict[str, Any]:
    """Write the keys of a file into an empty Redis, and return the document."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    with redis.pipeline() as pipe:
        for name, record in document["keys"].items():
            _write(pipe, name, record)
        pipe.execute()
    return document


def _read(redis: Any, name: str) -> dict[str, Any]:
    kind, kept = redis.type(name).decode(), redis.pttl(name)
    match kind:
        case "string":
            value: Any = to_text(redis.get(name) or b"")
        case "hash":
            value = {to_text(key): to_text(value) for key, value in sorted(redis.hgetall(name).items())}
        case "list":
            value = [to_text(item) for item in redis.lrange(name, 0, -1)]
        case "set":
            value = sorted(map(to_text, redis.smembers(name)))
        case "zset":
            value = [[to_text(member), score] for member, score in redis.zrange(name, 0, -1, withscores=True)]
        case "stream":
            value = [
                [to_text(entry), {to_text(key): to_text(text) for key, text in fields.items()}]
                for entry, fields in redis.xrange(name)
            ]
    return {"type": kind, **({"kept": kept} if kept >= 0 else {}), "value": value}


def _write(pipe: Any, name: str, record: dict[str, Any]) -> None:
    value = record["value"]
    match record["type"]:
        case "string":
            pipe.set(name, to_bytes(value))
        case "hash":
            pipe.hset(name, mapping={to_bytes(key): to_bytes(each) for key, each in value.items()})
        case "list":
            pipe.rpush(name, *map(to_bytes, value))
        case "set":
            pipe.sadd(name, *map(to_bytes, value))
        case "zset":
            pipe.zadd(name, {to_bytes(member): score for member, score in value})
        case "stream":
            for entry, fields in value:
                pipe.xadd(name, {to_bytes(key): to_bytes(each) for key, each in fields.items()}, id=to_bytes(entry))
    if "kept" in record:
        pipe.pexpire(name, record["kept"])


def to_text(value: bytes) -> str:
    """Return bytes as text; what is not UTF-8 in base64, behind a character that no text begins with."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    if value and (not text or text.startswith("\0")):
        return "\0" + b64encode(value).decode()
    return text


def to_bytes(value: str) -> bytes:
    return b64decode(value[1:]) if value.startswith("\0") else value.encode()
