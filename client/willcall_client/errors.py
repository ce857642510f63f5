"""The base of all errors, and errors that no call of the API causes."""


class WillcallError(Exception):
    """Base of all errors of this package."""


class DecodeError(WillcallError):
    """Something that does not come from Willcall, or that this version of the client cannot read."""


class WebhookVerificationError(WillcallError):
    """A webhook that Willcall did not sign, or not recently. Respond with 401."""
