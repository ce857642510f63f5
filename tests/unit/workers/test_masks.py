import json
from base64 import b64encode
from urllib.parse import quote

import pytest

from tests.contract.credentials import TABLES
from willcall.config import load
from workers.masks import REDACTED, Redactor, secrets_of

ACCOUNTS = {
    f"WILLCALL_PROVIDERS__{provider}__{name}__{field}".upper(): value
    for provider, tables in TABLES.items()
    for name, table in zip(("default", "second"), tables, strict=False)
    for field, value in table.items()
}
ENVIRONMENT = ACCOUNTS | {
    "WILLCALL_REDIS_URL": "sentinel://user:p%40ss-of-redis@redis.example:26379/main/0?sentinel_password=of-sentinels",
    "WILLCALL_BROKER_URL": "amqp://guest:pass-of-rabbit@rabbit.example//",
    "WILLCALL_DOCUMENTS_URL": "file:///tmp/documents",
    "WILLCALL_API__KEYS": '["key-of-the-backend"]',
    "WILLCALL_NOTIFY__SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


def test_every_secret_of_a_configuration_is_known() -> None:
    credentials = {value for value in ACCOUNTS.values() if "s3cret" in value}
    assert len(credentials) == 7
    others = {
        "p@ss-of-redis",
        "of-sentinels",
        "pass-of-rabbit",
        "key-of-the-backend",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        b64encode(b"app:s3cret-password").decode(),
    }
    assert secrets_of(load(ENVIRONMENT)) == credentials | others


ODD = 'pa"ss/wörd'


@pytest.mark.parametrize(
    "line",
    [
        f"Bearer {ODD}",
        f"https://host/?key={quote(ODD, safe='')}",
        f"https://host/{quote(ODD)}/more",
        json.dumps({"key": ODD}),
    ],
)
def test_a_secret_is_found_however_it_is_written(line: str) -> None:
    masked = Redactor([ODD])(None, "info", line)
    assert REDACTED in masked
    assert "pa" not in masked


def test_of_two_secrets_one_of_which_holds_the_other_nothing_is_left() -> None:
    assert Redactor(["word", "pass-word-plus"])(None, "info", "a pass-word-plus b") == f"a {REDACTED} b"


def test_words_too_short_to_be_told_from_others_are_left() -> None:
    assert Redactor(["dev", ""])(None, "info", "a device") == "a device"
