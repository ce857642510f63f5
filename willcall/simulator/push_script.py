"""What a provider is told to send by itself."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, PositiveInt

from willcall.simulator.file_forms import FileForm

#: How base64 is written: the usual alphabet or that for URLs, without padding, in lines, behind a `data:` header.
Encoding = Literal["standard", "url", "unpadded", "lines", "data"]


class PushScript(BaseModel):
    """One call of the provider to its client, `after` seconds from when the simulator got to know the order.

    tixstock: `ticket` is which of the order's tickets it brings, `form` what its file is, `size` pads a PDF to at least
    so many bytes, `encoding` is how the base64 is written, `status` the word of an `update`. `spoil` makes it useless:
    no base64, no ticket, a wrong signature.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["eticket", "mobile", "mobile_link", "paper", "update", "notification"]
    after: NonNegativeFloat = 0.0
    ticket: NonNegativeInt = 0
    general_admission: bool = False
    form: FileForm = "pdf"
    size: NonNegativeInt = 0
    row: str | None = "V"
    seat: str | None = "auto"
    listing: str = "9211231"
    proofs: NonNegativeInt = 0
    encoding: Encoding = "standard"
    status: str = "Approved"
    spoil: Literal["base64", "pdf", "signature"] | None = None
    #: How often it is sent, one right after the other.
    times: PositiveInt = 1

    def check(self, provider: str, quantity: int) -> None:
        """Raise ValueError where the provider sends no such call, or the order has no such ticket."""
        if provider != ("tiqets" if self.kind == "notification" else "tixstock"):
            raise ValueError(f"{provider} sends no call of the kind {self.kind}")
        if self.ticket >= quantity:
            raise ValueError(f"there is no ticket {self.ticket} in an order of {quantity}")
