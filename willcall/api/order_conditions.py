"""Which orders: the filters of lists and of actions on many orders."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from willcall.config.settings import Settings
from willcall.orders.model import Attention, Status
from willcall.orders.submission import Group, Time, epoch_seconds
from willcall.providers.registry import ADAPTERS
from willcall.stores.listing import OrderFilter
from willcall.views.order_search import submission_search

#: The filter for orders that need attention for any reason, and all such filters.
ANY_REASON = "true"
_ATTENTIONS = (ANY_REASON, *Attention)
_PROVIDERS = sorted(ADAPTERS)


def _one_of(known: Sequence[str]) -> AfterValidator:
    def check(name: str | None) -> str | None:
        if name in {None, *known}:
            return name
        raise ValueError(f"must be one of {', '.join(known)}")

    return AfterValidator(check)


#: The position of a page in a list of orders.
Cursor = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,16}(:[A-Za-z0-9._:@~-]{1,128})?$")]
#: What a query parameter about an entry of `metadata` begins with.
_METADATA = "metadata."
#: Most entries of `metadata` of a filter, and characters of a text.
_MOST_ENTRIES, _LONGEST_TEXT = 20, 300


class OrderConditions(BaseModel):
    """Selects the orders that meet all conditions. In a query, `metadata` is `metadata.NAME=VALUE`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    status: Status | None = Field(default=None, description="Only orders with this status.")
    provider: Annotated[str | None, _one_of(_PROVIDERS)] = Field(
        default=None, description="Only orders at this provider.", json_schema_extra={"enum": [*_PROVIDERS]}
    )
    account: str | None = Field(
        default=None,
        max_length=200,
        description="Only orders of this account, as `<provider>/<account>`.",
    )
    attention: Annotated[str | None, _one_of(_ATTENTIONS)] = Field(
        default=None,
        description="Only orders that need attention: for any reason (`true`), or for this one.",
        json_schema_extra={"enum": [*_ATTENTIONS]},
    )
    event_before: Time | None = Field(
        default=None, description="Only orders whose event is before; the soonest event comes first."
    )
    event_after: Time | None = Field(
        default=None, description="Only orders whose event is then or later; the soonest event comes first."
    )
    updated_since: Time | None = Field(
        default=None, description="Only orders that changed then or later; the earliest change comes first."
    )
    group: Group | None = Field(default=None, description="Only orders that were submitted with this `group`.")
    submitted_after: Time | None = Field(default=None, description="Only orders that were submitted then or later.")
    submitted_before: Time | None = Field(default=None, description="Only orders that were submitted before.")
    text: str | None = Field(
        default=None,
        min_length=1,
        max_length=_LONGEST_TEXT,
        description="Only orders with this in their id or reference, in any case. References that grant access to "
        "tickets are not searched.",
    )
    metadata: dict[str, str] = Field(
        default={},
        max_length=_MOST_ENTRIES,
        description="Only orders with these entries in their `metadata`.",
    )
    host: str | None = Field(
        default=None,
        min_length=1,
        max_length=_LONGEST_TEXT,
        description="Only orders whose events are sent to this host.",
    )

    @model_validator(mode="before")
    @classmethod
    def _gather_metadata(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        entries = {name.removeprefix(_METADATA): given[name] for name in given if name.startswith(_METADATA)}
        others = {name: value for name, value in given.items() if not name.startswith(_METADATA)}
        return {**others, "metadata": entries} if entries else others

    def filter(self, settings: Settings, client: str | None) -> OrderFilter:
        """Return which orders to list, of a client."""
        return OrderFilter(
            self.status,
            self.provider,
            self.reasons,
            self.account,
            client,
            event_before=epoch_seconds(self.event_before),
            event_after=epoch_seconds(self.event_after),
            updated_since=epoch_seconds(self.updated_since),
            group=self.group,
            submitted_after=epoch_seconds(self.submitted_after),
            submitted_before=epoch_seconds(self.submitted_before),
            submission=submission_search(settings, self.text, self.metadata, self.host),
        )

    @property
    def reasons(self) -> frozenset[Attention] | None:
        """The reasons for attention: empty for any reason, `None` without that filter."""
        if self.attention is None:
            return None
        return frozenset() if self.attention == ANY_REASON else frozenset({Attention(self.attention)})
