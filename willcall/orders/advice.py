"""What is wrong with an order or an account and what to do, in words for people, wherever they read them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from willcall.orders.model import Attention


@dataclass(frozen=True, slots=True)
class Advice:
    """A reason in a sentence, what the customer sees of it, and what to do.

    `remedy` may hold `{cancel}` and `{redeliver}`: how that is done at the place where it is read.
    """

    reason: str
    customer: str
    remedy: str

    def mend(self, order_id: str) -> str:
        """What to do about this order, at a keyboard."""
        return self.remedy.format(cancel=f"`willcall cancel {order_id}`", redeliver=f"`willcall redeliver {order_id}`")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with an account, to be read behind its name; what that does; what to do.

    `grave`: no tickets come because of it. `then`: how its orders go on once that is done. Both may hold `{table}`, the
    account's in the configuration, and `{resume}`: how that is done at the place where it is read.
    """

    what: str
    grave: bool
    effect: str
    remedy: str
    then: str = ""

    def mend(self, account_key: str, resume: str = "`willcall resume {account}`") -> str:
        """What to do about this account."""
        table = f"[providers.{account_key.replace('/', '.')}]"
        words = f"{self.remedy} {self.then}".strip()
        return words.format(table=table, resume=resume.format(account=account_key))

    def paused(self) -> "Trouble":
        """The same, where somebody has paused the account as well."""
        pause = TROUBLES["paused"]
        return replace(
            self,
            what=f"{pause.what}, and {self.what}",
            effect=f"{self.effect} A person paused it, so it is not tried; deadlines go on.",
            then=pause.then,
        )


ADVICE: Mapping[Attention, Advice] = {
    Attention.UNAUTHORIZED: Advice(
        "The provider refuses our key.",
        "No tickets yet; the order is not lost and goes on when the key works.",
        "If its whole account is refused, mend the key: the order goes on by itself. "
        "If it alone is, it may be another account's: {cancel} and submit it there, under another id.",
    ),
    Attention.NOT_FOUND: Advice(
        "The provider does not know this reference.",
        "No tickets, and none will come if the reference is wrong.",
        "Compare it with the purchase; if it is wrong, {cancel} and submit the right one.",
    ),
    Attention.MALFORMED: Advice(
        "The provider's answer could not be read.",
        "No tickets yet, though the provider may have issued them.",
        "It may right itself at the next poll; if it does not, show the order's timeline to the provider.",
    ),
    Attention.PERSONALIZATION: Advice(
        "The provider issues the tickets only once the customer has entered the names on them.",
        "A step at the provider that is not done, and no tickets until it is.",
        "Remind the customer.",
    ),
    Attention.UNDELIVERABLE: Advice(
        "The callback URL did not take the order's latest event.",
        "Whatever the backend showed before: it does not know of the change.",
        "Mend the endpoint, then {redeliver}; the event feed has it meanwhile.",
    ),
}

#: What operators are told of an account by its health; `forgotten` has open orders, and the configuration lacks it.
TROUBLES: Mapping[str, Trouble] = {
    "unauthorized": Trouble(
        "refuses our key",
        grave=True,
        effect="Customers have no tickets yet; no order is failed for it.",
        remedy="Have the provider restore the key, or put one that works into {table} and restart workers and APIs.",
        then="Its orders go on by themselves once the key works; to try at once, {resume}.",
    ),
    "down": Trouble(
        "does not answer",
        grave=True,
        effect="Customers have no tickets yet.",
        remedy="See whether the provider has an outage, and whether workers can reach its address. Where it answers, "
        "but not what can be read, show it the timeline of an order.",
        then="Its orders go on by themselves once it answers; to try at once, {resume}.",
    ),
    "throttled": Trouble(
        "throttles us",
        grave=False,
        effect="Tickets come late.",
        remedy="If it lasts, ask the provider which rate it allows and lower the account's, or find who else uses "
        "its key. Its orders go on by themselves, more slowly.",
    ),
    "paused": Trouble(
        "is paused",
        grave=False,
        effect="A person wanted it so; deadlines go on.",
        remedy="",
        then="To let its orders go on, {resume}.",
    ),
    "forgotten": Trouble(
        "is not in the configuration",
        grave=True,
        effect="Nobody asks about its orders.",
        remedy="Put the account back, or cancel its orders.",
    ),
}

#: An account that is well, but of which more is due than its rate allows.
OVERBOOKED = Trouble(
    "has requests booked far ahead",
    grave=False,
    effect="Nothing is lost, but whatever needs a token now has to wait.",
    remedy="More is due than its rate allows. Ask the provider for a higher one and set it in {table}, or poll less "
    "often: polling.initial, polling.cap. See whether somebody asks about its orders again and again.",
)
