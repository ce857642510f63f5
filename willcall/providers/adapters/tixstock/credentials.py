"""What an account at Tixstock needs in the config."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from willcall.providers.base import Credentials, ProviderUrl
from willcall.providers.safe import HeaderSecret

_Word = Annotated[str, Field(min_length=1, max_length=64)]


class AnswerWords(BaseModel):
    """The `order_status` that our answer to each kind of webhook names.

    The defaults are the words of Tixstock's own samples. `Commissionable` is none of them: it has an invoice
    raised and cannot be taken back.

    https://pf-api-documentation.tixstock.com/v1/webhooks/overview
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    partial: _Word = "Approved"
    complete: _Word = "Delivered"
    paper: _Word = "Shipped"
    failed: _Word = "Accepted"


class TixstockCredentials(Credentials):
    """An account at Tixstock. The bearer token is also the key that signs its webhooks."""

    base_url: ProviderUrl = "https://pf.tixstock.com/v1"
    bearer_token: HeaderSecret
    webhook_token: HeaderSecret | None = None
    answers: AnswerWords = AnswerWords()
