"""The two ways in to Paylogic: the application's, or one user's own.

https://shopping-api-docs.paylogic.com/concepts/authentication.html
"""

from base64 import b64encode
from typing import Self

from pydantic import SecretStr, field_validator, model_validator

from willcall.providers.base import Credentials, ProviderUrl
from willcall.providers.safe import HeaderSecret


class PaylogicCredentials(Credentials):
    """An account at Paylogic: `username` and `password`, or `cognito_token`; never both."""

    base_url: ProviderUrl = "https://shopping-api.paylogic.com"
    username: str | None = None
    password: SecretStr | None = None
    cognito_token: HeaderSecret | None = None

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str | None) -> str | None:
        """In Basic credentials the first colon ends the username."""
        if username is not None and (not username or ":" in username):
            raise ValueError("must not be empty and must have no colon")
        return username

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        basic = [self.username, self.password]
        if self.cognito_token is not None and any(basic):
            raise ValueError("give either username and password, or cognito_token, not both")
        if self.cognito_token is None and not all(basic):
            raise ValueError("give username and password, or cognito_token")
        return self

    @property
    def is_user(self) -> bool:
        """Whether these are one user's own, with which there are only that user's tickets."""
        return self.cognito_token is not None

    def headers(self) -> dict[str, str]:
        """The header that proves who asks."""
        if self.cognito_token is not None:
            return {"Cognito-Token": self.cognito_token.get_secret_value()}
        password = self.password.get_secret_value() if self.password else ""
        return {"Authorization": f"Basic {b64encode(f'{self.username}:{password}'.encode()).decode()}"}

    def document_headers(self) -> dict[str, str]:
        """The same header: e-tickets may be resources like the others."""
        return self.headers()
