import pytest

from willcall.cli.output.console import redact_url, strip_control_characters


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:hunter2@10.0.0.1:6379/0", "redis://10.0.0.1:6379/0 (password hidden)"),
        ("rediss://me:p%40ss@[::1]:6379/2", "rediss://[::1]:6379/2 (password hidden)"),
        ("unix:///run/redis.sock?password=hunter2", "unix:///run/redis.sock (password hidden)"),
        ("amqp://guest:a@b@broker//", "amqp://broker// (password hidden)"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert redact_url(url) == shown


def test_untrusted_text_cannot_control_the_terminal() -> None:
    assert strip_control_characters("done\x1b[2J\x9b31m\nover") == "done?[2J?31m?over".replace(
        "?", "\N{REPLACEMENT CHARACTER}"
    )
