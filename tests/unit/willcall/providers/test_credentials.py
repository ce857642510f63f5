"""Secrets in an account's table."""

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from willcall.setting_types.secrets import HeaderSecret


@pytest.mark.parametrize("secret", ["", "two words", "line\n", "\x7f", "clé"])
def test_a_secret_that_no_header_can_hold_is_rejected_without_quoting_it(secret: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(HeaderSecret).validate_python(SecretStr(secret))
    assert not secret or secret not in str(refused.value)
