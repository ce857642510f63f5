"""The types of secrets. Each type is the set of characters that its secrets may hold.

| type | may hold | for |
|---|---|---|
| `Secret` | any printable characters | forms and Basic authentication, which encode them |
| `HeaderSecret` | printable ASCII without blanks | headers, which carry them unchanged |
| `Key` | the same, at least 16 | our own keys, which must be hard to guess |
| `PathKey` | the same without `/ ? # %` | our own webhook addresses |
| `SigningSecret` | `whsec_` and base64 | Standard Webhooks |
"""

from base64 import b64decode
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from willcall.setting_types.text import check_secret

T = TypeVar("T")

#: Least length of a key that gives access to us.
SHORTEST_KEY = 16


def _header_secret(value: SecretStr) -> SecretStr:
    if not all("!" <= character <= "~" for character in value.get_secret_value()):
        raise ValueError("must be printable ASCII without blanks")
    return value


def _key(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_KEY:
        raise ValueError(f"must be {SHORTEST_KEY} characters or more: openssl rand -hex 24")
    return value


def _path_key(value: SecretStr) -> SecretStr:
    if any(character in "/?#%" for character in value.get_secret_value()):
        raise ValueError("must not contain any of / ? # %, because it is part of a URL's path")
    return value


# https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme
def _signing_secret(value: SecretStr) -> SecretStr:
    prefix, text = value.get_secret_value()[:6], value.get_secret_value()[6:]
    try:
        length = len(b64decode(text + "=" * (-len(text) % 4), validate=True))
    except ValueError:
        length = 0
    if prefix != "whsec_" or length not in range(24, 65):
        raise ValueError("must be whsec_ and the base64 of 24 to 64 random bytes")
    return value


def _as_list(value: object) -> object:
    """A list of one text may be given as the text."""
    return [value] if isinstance(value, str | SecretStr) else value


#: Text that may be in a file like a secret, but that logs may show, such as a username. Its field has `repr=False`.
SecretText = Annotated[str, AfterValidator(check_secret)]
Secret = Annotated[SecretStr, AfterValidator(check_secret)]
HeaderSecret = Annotated[Secret, AfterValidator(_header_secret)]
Key = Annotated[HeaderSecret, AfterValidator(_key)]
PathKey = Annotated[Key, AfterValidator(_path_key)]
SigningSecret = Annotated[Secret, AfterValidator(_signing_secret)]

#: Lists of texts or secrets, such as `OneOrMore[SigningSecret]`.
ZeroOrMore = Annotated[tuple[T, ...], BeforeValidator(_as_list)]
OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_as_list), Field(min_length=1)]
