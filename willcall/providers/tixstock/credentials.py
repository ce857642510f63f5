"""What an account at Tixstock needs in the config."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from willcall.providers.base import ProviderUrl
from willcall.providers.pushes import PushCredentials
from willcall.providers.safe import HeaderSecret

#: The word that has an invoice raised, for good.
INVOICING = "commissionable"


def _harmless(word: str) -> str:
    if word.strip().lower() == INVOICING:
        raise ValueError("must not have an invoice raised for what is not delivered")
    return word


_Word = Annotated[str, Field(min_length=1, max_length=64)]
_HarmlessWord = Annotated[_Word, AfterValidator(_harmless)]


class AnswerWords(BaseModel):
    """The `order_status` that our answer to each kind of webhook names.

    The defaults are the words of Tixstock's own samples. `Commissionable` is none of them: it has an invoice
    raised and cannot be taken back, so that it is refused where tickets are missing.

    https://pf-api-documentation.tixstock.com/v1/webhooks/overview
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    partial: _HarmlessWord = "Approved"
    complete: _Word = "Delivered"
    paper: _Word = "Shipped"
    failed: _HarmlessWord = "Accepted"


class TixstockCredentials(PushCredentials):
    """An account at Tixstock. The bearer token is also the key that signs its webhooks."""

    base_url: ProviderUrl = "https://pf.tixstock.com/v1"
    bearer_token: HeaderSecret
    answers: AnswerWords = AnswerWords()
