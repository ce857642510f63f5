"""The clients in the configuration."""

from base64 import b64encode
from pathlib import Path

import pytest

from tests.unit.willcall.test_config import errors_of, read

KEY = "0123456789abcdef"
SECRETS = [f"whsec_{b64encode(bytes([n]) * 24).decode()}" for n in range(2)]
ACCOUNTS = """
[providers.tiqets.default]
api_key = "k"
[providers.tiqets.eu]
api_key = "k"
"""


def test_a_client_needs_only_its_keys(tmp_path: Path) -> None:
    config = read(f'{ACCOUNTS}[api.clients.shop]\nkeys = "{KEY}"', tmp_path)
    shop = config.settings.api.clients["shop"]
    assert all(map(shop.may_use, config.accounts))
    assert (len(shop.keys), shop.secret, shop.callback_url) == (1, (), None)
    assert config.warnings == []


def test_a_client_has_secrets_an_address_and_accounts_of_its_own(tmp_path: Path) -> None:
    text = f"""{ACCOUNTS}
    [api.clients.shop]
    keys = ["{KEY}"]
    secret = {SECRETS}
    accounts = ["tiqets/e?", "paylogic/*"]
    callback_url = "https://shop.example/hook?token=s3cret"
    """
    config = read(text, tmp_path)
    shop = config.settings.api.clients["shop"]
    assert [secret.get_secret_value() for secret in shop.secret] == SECRETS
    assert [key for key in config.accounts if shop.may_use(key)] == ["tiqets/eu"]
    assert "s3cret" not in repr(config)
    assert [str(each) for each in config.warnings] == [
        "api.clients.shop.accounts.1: paylogic/* matches no account that is configured"
    ]


def test_a_client_may_come_from_the_environment_and_its_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("\n".join(SECRETS))
    environment = {
        "WILLCALL_API__CLIENTS__SHOP__KEYS": f'["{KEY}"]',
        "WILLCALL_API__CLIENTS__SHOP__SECRET_FILE": str(tmp_path / "secret"),
    }
    config = read('[api.clients.Shop]\ncallback_url = ""', tmp_path, **environment)
    assert [*config.settings.api.clients] == ["Shop"]
    assert len(config.settings.api.clients["Shop"].secret) == 2
    assert config.warnings == []


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("", False),
        (f"[notify]\nsecret = {SECRETS}", True),
        (f'[api.clients.shop]\nkeys = "{KEY}"\nsecret = {SECRETS}', True),
        (f'[api]\nkeys = "{KEY}-2"\n[api.clients.shop]\nkeys = "{KEY}"\nsecret = {SECRETS}', False),
        (f'[api.clients.shop]\nkeys = "{KEY}"\nsecret = {SECRETS}\n[api.clients.b]\nkeys = "{KEY}-2"', False),
    ],
)
def test_callbacks_count_as_signed_if_those_of_every_backend_are(tmp_path: Path, text: str, *, signs: bool) -> None:
    assert read(text, tmp_path).settings.signs_callbacks is signs


@pytest.mark.parametrize(
    ("table", "error"),
    [
        ("[api.clients.shop]", "api.clients.shop.keys: is missing"),
        ("[api.clients.shop]\nkeys = []", "api.clients.shop.keys: "),
        ('[api.clients.shop]\nkeys = ["short"]', "api.clients.shop.keys.0: must be 16 characters or more"),
        (f'[api.clients.shop]\nkeys = "{KEY}"\naccounts = []', "api.clients.shop.accounts: "),
        (f'[api.clients.shop]\nkeys = "{KEY}"\naccounts = "tiqets"', "accounts.0: must be an account such as"),
        (f'[api.clients.shop]\nkeys = "{KEY}"\naccounts = "a/[b]"', "accounts.0: must be an account such as"),
        (f'[api.clients.shop]\nkeys = "{KEY}"\nsecret = "x"', "api.clients.shop.secret.0: must be whsec_"),
        (f'[api.clients.shop]\nkeys = "{KEY}"\ncallback_url = "ftp://x"', "callback_url: must be an http(s) URL"),
        (
            f'[api.clients.shop]\nkeys = "{KEY}"\nkey = "x"',
            "shop.key: is not recognized; did you mean keys?",
        ),
        (f'[api.clients."a shop"]\nkeys = "{KEY}"', "api.clients: names have 1 to 64"),
        (f'[api.clients."tiqets/default"]\nkeys = "{KEY}"', "api.clients: names have 1 to 64"),
        (
            f'[api.clients.shop]\nkeys = "{KEY}"\n[api.clients.SHOP]\nkeys = "{KEY}-2"',
            "api.clients: SHOP differs from shop only in case",
        ),
        ('notify = {callback_url = "https://user:password@x.example"}', "notify.callback_url: must not contain cre"),
    ],
)
def test_a_mistake_in_a_client_is_named(tmp_path: Path, table: str, error: str) -> None:
    (found,) = errors_of(table, tmp_path)
    assert error in found
