"""What an account at Funtrips needs in the config: one of two kinds of credentials."""

from typing import Literal, Self

from pydantic import SecretStr, model_validator

from willcall.providers.base import Credentials, ProviderUrl
from willcall.providers.safe import HeaderSecret

_OAUTH = ("token_url", "client_id", "client_secret")


class FuntripsCredentials(Credentials):
    """A backend's OAuth client (`token_url`, `client_id`, `client_secret`), or a headless `public_bearer`.

    `base_url` has the stage in it; `/v1` is added here. `token_auth` is how the token endpoint takes id and secret;
    unless it is set, each way is tried until one works.
    """

    token_url: ProviderUrl | None = None
    client_id: str | None = None
    client_secret: SecretStr | None = None
    scope: str = ""
    token_auth: Literal["basic", "basic_raw", "body"] | None = None
    public_bearer: HeaderSecret | None = None

    @model_validator(mode="after")
    def _exactly_one_kind(self) -> Self:
        given = [name for name in _OAUTH if getattr(self, name)]
        if self.public_bearer is not None:
            beside = given or [name for name in ("scope", "token_auth") if getattr(self, name)]
            if beside:
                raise ValueError(f"public_bearer cannot stand beside {', '.join(beside)}")
        elif not given:
            raise ValueError(f"needs {', '.join(_OAUTH)}, or public_bearer instead")
        elif len(given) < len(_OAUTH):
            missing = (name for name in _OAUTH if name not in given)
            raise ValueError(f"needs {', '.join(missing)} beside {', '.join(given)}")
        return self

    @property
    def headless(self) -> bool:
        """Whether the account asks as one user, with a public bearer."""
        return self.public_bearer is not None
