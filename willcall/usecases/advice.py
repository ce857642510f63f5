"""What each reason for attention means, in words for people: on the order board and on the command line."""

from dataclasses import dataclass

from willcall.orders.model import Attention


@dataclass(frozen=True, slots=True)
class Advice:
    """A reason in a sentence, what the customer sees of it, and what to do.

    `remedy` may hold `{cancel}` and `{redeliver}`: how that is done at the place where it is read.
    """

    reason: str
    customer: str
    remedy: str


ADVICE: dict[Attention, Advice] = {
    Attention.UNAUTHORIZED: Advice(
        "The provider refuses our credentials.",
        "No tickets yet; the order is not lost and goes on when the key works.",
        "If they are right, nothing need be done: a probe notices when they work again. "
        "If they changed, put the new ones into the configuration and restart the workers.",
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
