"""Credentials at Paylogic."""

from base64 import b64encode
from typing import Self

from pydantic import Field, field_validator, model_validator

from willcall.providers.credentials import Credentials, ProviderUrl
from willcall.setting_types.secrets import HeaderSecret, Secret, SecretText


class PaylogicCredentials(Credentials):
    """An application's `username` and `password`, its `bearer` (a JWT), or one user's `cognito_token`.

    https://shopping-api-docs.paylogic.com/concepts/authentication.html
    """

    base_url: ProviderUrl = "https://shopping-api.paylogic.com"
    username: SecretText | None = Field(None, repr=False)
    password: Secret | None = None
    cognito_token: HeaderSecret | None = None
    bearer: HeaderSecret | None = None

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str | None) -> str | None:
        """Reject a colon: in Basic credentials the first one ends the username."""
        if username is not None and ":" in username:
            raise ValueError("must have no colon")
        return username

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        basic = [self.username, self.password]
        kinds = [any(basic), self.cognito_token is not None, self.bearer is not None]
        if sum(kinds) > 1:
            raise ValueError("give only one of username and password, cognito_token, or bearer")
        if not any(kinds[1:]) and not all(basic):
            raise ValueError("give username and password, or cognito_token, or bearer")
        return self

    @property
    def is_user(self) -> bool:
        """Whether these are one user's own, which give access to that user's tickets only."""
        return self.cognito_token is not None

    @property
    def is_application(self) -> bool:
        """Whether these are an application's Basic credentials, which alone may look up barcodes and list orders."""
        return self.username is not None

    def headers(self) -> dict[str, str]:
        """Return the header that authenticates a request."""
        if self.bearer is not None:
            return {"Authorization": f"Bearer {self.bearer.get_secret_value()}"}
        if self.cognito_token is not None:
            return {"Cognito-Token": self.cognito_token.get_secret_value()}
        password = self.password.get_secret_value() if self.password else ""
        return {"Authorization": f"Basic {b64encode(f'{self.username}:{password}'.encode()).decode()}"}

    def document_headers(self) -> dict[str, str]:
        """Return the same header: e-tickets may be resources like the others."""
        return self.headers()
