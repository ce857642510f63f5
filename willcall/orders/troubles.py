"""The table of troubles: what is wrong, what that does, what the customer sees, and what to do.

The order board, `willcall doctor`, events for operators, alert rules and the runbook take their texts from here. After
a change, tests/unit/willcall/orders/test_troubles.py names the places in docs/ops that have to follow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from willcall.orders.model import Attention


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that can be wrong.

    `what`: a predicate that follows the name of an account or order, or a sentence about the deployment. `critical`:
    tickets do not arrive because of it. `remedy` and `then`, how things continue afterwards, may hold placeholders:
    `{resume}`, `{cancel}`, `{redeliver}` for the reader's actions, `{table}` and other names for the subject.
    `alert`: the alert rule and the heading in the runbook.
    """

    what: str
    effect: str
    customer: str
    remedy: str
    critical: bool = False
    then: str = ""
    alert: str | None = None

    def instructions(self, **placeholders: str) -> str:
        """Return what to do."""
        return f"{self.remedy} {self.then}".strip().format(**placeholders)

    def for_account(self, account_key: str, resume: str = "run `willcall resume {account}`") -> str:
        """Return what to do about an account; `resume` says how the reader resumes it."""
        table = f"[providers.{account_key.replace('/', '.')}]"
        return self.instructions(table=table, resume=resume.format(account=account_key))

    def for_order(self, order_id: str) -> str:
        """Return what to do about an order, on the command line."""
        return self.instructions(cancel=f"`willcall cancel {order_id}`", redeliver=f"`willcall redeliver {order_id}`")

    def paused(self) -> "Trouble":
        """Return the trouble of an account that an operator has paused as well."""
        pause = ACCOUNT_TROUBLES["paused"]
        return replace(
            self,
            what=f"{pause.what} and {self.what}",
            effect=f"{self.effect} Paused by an operator, so it is not probed; deadlines keep running.",
            then=pause.then,
        )


#: Why an order needs attention. `what` is a sentence of its own.
ORDER_TROUBLES: Mapping[Attention, Trouble] = {
    Attention.UNAUTHORIZED: Trouble(
        what="The provider rejects our API key.",
        effect="The order is not lost and continues once the key works.",
        customer="No tickets yet.",
        remedy="If the whole account is rejected, fix the key: the order continues automatically. If only this order "
        "is, it may belong to another account: {cancel} and submit it there under another id. If it has credentials of "
        "its own user, they have expired: replace them.",
    ),
    Attention.NOT_FOUND: Trouble(
        what="The provider does not know this reference.",
        effect="The order is polled slowly and expires at its deadline.",
        customer="No tickets, and there will be none if the reference is wrong.",
        remedy="Compare it with the purchase. If it is wrong, {cancel} and submit the right one.",
    ),
    Attention.MALFORMED: Trouble(
        what="The provider's response could not be read.",
        effect="It never counts as tickets, nor as a refusal.",
        customer="No tickets yet, though the provider may have issued them.",
        remedy="The next poll may succeed. If it does not, show the order's timeline to the provider.",
    ),
    Attention.PERSONALIZATION: Trouble(
        what="The provider issues the tickets only after the customer has entered the names on them.",
        effect="The order is polled every 5 to 10 minutes.",
        customer="An unfinished step at the provider, and no tickets until it is done.",
        remedy="Ask the shop to remind the customer.",
    ),
    Attention.APPROVAL: Trouble(
        what="The order waits for an approval.",
        effect="The order is polled every 5 to 10 minutes.",
        customer="No tickets until the order is approved.",
        remedy="Read in the order's `needs` who has to approve it, and ask them.",
    ),
    Attention.UNDELIVERABLE: Trouble(
        what="The callback URL did not accept the order's latest event.",
        effect="The backend does not know of the change.",
        customer="Whatever the shop showed before.",
        remedy="Fix the endpoint, then {redeliver}. Until then the event is in the event feed.",
    ),
}

#: What is wrong with an account, by its health; `unconfigured` accounts have open orders but no configuration.
ACCOUNT_TROUBLES: Mapping[str, Trouble] = {
    "unauthorized": Trouble(
        what="is rejecting our API key",
        effect="No order will be marked failed because of this.",
        customer="No tickets yet.",
        remedy="Ask the provider to restore the key, or put a working one into {table} and run `willcall reload`.",
        then="The orders continue automatically once the key works; to check now, {resume}.",
        critical=True,
        alert="WillcallAccountUnauthorized",
    ),
    "down": Trouble(
        what="is failing",
        effect="Five requests in a row failed, or its responses could not be read.",
        customer="No tickets yet.",
        remedy="Check whether the provider has an outage, and whether workers can reach its address. "
        "If its responses cannot be read, send the provider the timeline of an order.",
        then="The orders continue automatically once it responds; to check now, {resume}.",
        critical=True,
        alert="WillcallAccountDown",
    ),
    "throttled": Trouble(
        what="is rate-limiting us",
        effect="Its orders are polled late.",
        customer="Tickets later than usual.",
        remedy="If this lasts, ask the provider which rate it allows and lower the account's, or find who else uses "
        "its key. The orders continue automatically, more slowly.",
        alert="WillcallAccountThrottled",
    ),
    "paused": Trouble(
        what="is paused",
        effect="Paused by an operator. Deadlines keep running.",
        customer="No tickets yet.",
        remedy="",
        then="To let its orders continue, {resume}.",
        alert="WillcallAccountPaused",
    ),
    "unconfigured": Trouble(
        what="is not in the configuration",
        effect="Its open orders are not polled. They expire at their deadlines.",
        customer="No tickets yet.",
        remedy="Put the account back into the configuration, or cancel its orders.",
        critical=True,
        alert="WillcallAccountUnconfigured",
    ),
    "overbooked": Trouble(
        what="has requests booked far ahead",
        effect="More is due than its rate allows. Nothing is lost, but whatever needs a token now has to wait.",
        customer="Tickets later than usual.",
        remedy="Ask the provider for a higher rate and set it in {table}, or poll less often: `polling.initial`, "
        "`polling.cap`. Check whether somebody requests polls again and again.",
        alert="WillcallAccountOverbooked",
    ),
    "overdue": Trouble(
        what="has overdue orders",
        effect="They are due, and the account is healthy, but no worker polls them.",
        customer="Tickets later than usual.",
        remedy="Workers can't keep up; start more. Rate-limit waits are not counted.",
        critical=True,
        alert="WillcallOrdersOverdue",
    ),
    "late": Trouble(
        what="is polled late",
        effect="One poll in a hundred begins 10 seconds or more after its time.",
        customer="Tickets some seconds later than possible.",
        remedy="Start more workers, or ask the provider for a higher rate.",
        alert="WillcallPollsLate",
    ),
    "attention": Trouble(
        what="has orders that need attention",
        effect="Waiting alone will not bring their tickets.",
        customer="It depends on the reason.",
        remedy="`willcall orders --attention` lists them, and `willcall order ID` says why.",
        alert="WillcallOrdersNeedAttention",
    ),
    "at_risk": Trouble(
        what="has orders at risk",
        effect="Their events are near, and tickets are missing.",
        customer="No tickets, and not much time left.",
        remedy="The page of each order says what it waits for. If the provider cannot issue in time, get the tickets "
        "another way and complete the order, or warn the shop.",
        critical=True,
        alert="WillcallOrdersAtRisk",
    ),
    "webhooks_rejected": Trouble(
        what="sends webhooks that are rejected",
        effect="They do not count. Orders are polled as usual.",
        customer="Tickets later than possible; none, where only webhooks bring them.",
        remedy="Compare the webhook address and the key at the provider with {table}. If both are right, somebody else "
        "calls this address.",
        alert="WillcallWebhooksRejected",
    ),
    "expired": Trouble(
        what="has expired orders",
        effect="They reached their deadline without tickets, and their backends were notified.",
        customer="What the shop does then: usually an apology or a refund.",
        remedy="Ask the provider what became of them, and cancel the purchase there before a refund.",
        alert="WillcallOrdersExpired",
    ),
}

#: Troubles of the deployment.
SYSTEM_TROUBLES: Mapping[str, Trouble] = {
    "no_worker": Trouble(
        what="No workers are running",
        effect="No provider is polled and no callback is sent. Orders continue once a worker runs.",
        customer="No tickets yet.",
        remedy="Start one: `willcall worker`. If one should be running, its log says why it cannot reach Redis.",
        critical=True,
        alert="WillcallNoWorker",
    ),
    "no_beat": Trouble(
        what="Beat is not running",
        effect="Orders continue, but accounts that were rejected or down are not probed, lost messages are not sent "
        "again, and held orders do not expire.",
        customer="Nothing, unless an account is rejected or down.",
        remedy="Start one: `willcall beat`. Several may run.",
        critical=True,
        alert="WillcallNoBeat",
    ),
    "process_lost": Trouble(
        what="A {kind} has disappeared",
        effect="It was killed or is stuck, as it did not say that it ends. Others of its kind do its work, if any are "
        "running.",
        customer="Tickets later than usual if the others cannot keep up.",
        remedy="Look at its log and its supervisor, and start it again.",
        alert="WillcallProcessLost",
    ),
    "sweep_failed": Trouble(
        what="The sweep {sweep} failed",
        effect="Its repairs are on hold until its next run.",
        customer="Nothing at first.",
        remedy="The workers' log has the error; `willcall sweep {sweep}` runs it now.",
    ),
    "sweeps_overdue": Trouble(
        what="The sweep {sweep} is overdue or failing",
        effect="Its repairs are on hold.",
        customer="Nothing at first.",
        remedy="{restart}; `willcall sweep` runs the sweeps now.",
        alert="WillcallSweepStale",
    ),
    "queue_stuck": Trouble(
        what="The queue {queue} is not draining",
        effect="Its messages are not moved when they are due, or it has not been empty for ten minutes and does not "
        "shrink.",
        customer="Tickets later than usual; for `willcall.notify`, the shop is not notified.",
        remedy="Start a worker for it, or more workers.",
        critical=True,
        alert="WillcallQueueStuck",
    ),
    "dead_letters": Trouble(
        what="Messages could not be processed",
        effect="They are kept as dead letters. If one was a submission, its order does not exist here.",
        customer="Nothing, unless a submission is among them.",
        remedy="Fix the cause, then requeue each message; delete those that are not needed.",
        alert="WillcallDeadLetters",
    ),
    "callbacks_late": Trouble(
        what="Callbacks are late",
        effect="We retry for three days. Until a callback succeeds, the shop does not know.",
        customer="No tickets yet: Willcall has them, but the shop does not know.",
        remedy="Check the backend's own logs. `willcall orders --undelivered` lists the orders, and `willcall order "
        "ID` shows what the backend answered.",
        alert="WillcallCallbacksLate",
    ),
    "callbacks_refused": Trouble(
        what="Callbacks are refused",
        effect="The backend answers, but refuses the events. We retry for three days; until it accepts one, the shop "
        "does not know.",
        customer="No tickets yet: Willcall has them, but the shop does not know.",
        remedy="After a 401 or 403, compare the secret and look for a firewall; after a 404, compare the address. Fix "
        "the endpoint, then run `willcall redeliver --undelivered`.",
        critical=True,
        alert="WillcallCallbacksRefused",
    ),
    "alerts_late": Trouble(
        what="Alerts to operators are late",
        effect="We retry for three days. Until then, operators do not know what happened.",
        customer="Nothing.",
        remedy="Fix what listens at `notify.ops_url`, or correct the address: `willcall doctor` tries to reach it.",
    ),
    "documents_late": Trouble(
        what="Documents are missing",
        effect="They could not be fetched or stored. We retry for three days.",
        customer="At most the provider's address instead of the file.",
        remedy="Check whether the documents' hosts respond, and whether there is room to store them: `willcall "
        "doctor`.",
        alert="WillcallDocumentsLate",
    ),
    "documents_full": Trouble(
        what="The document store is full",
        effect="No file can be stored. Webhooks with files are answered with 503, so that the provider sends them "
        "again.",
        customer="No tickets, or the provider's address instead of the file.",
        remedy="Free some space, or raise the quota or limit; downloads continue automatically.",
        critical=True,
        alert="WillcallDocumentStoreFull",
    ),
    "documents_given_up": Trouble(
        what="Documents were given up",
        effect="They are not fetched again.",
        customer="At most the provider's address instead of the file.",
        remedy="Ask the provider for the files: each order's page says why they could not be fetched.",
    ),
    "unexpected_errors": Trouble(
        what="Willcall's own code failed",
        effect="Each failure was settled and is in the log with its traceback. No order is lost, but this is a bug.",
        customer="Nothing if it was one document or one callback: they are retried.",
        remedy="Report it with the traceback, which contains no secrets.",
        alert="WillcallUnexpectedErrors",
    ),
    "metrics_missing": Trouble(
        what="Prometheus cannot see all of Willcall",
        effect="The API is not scraped, or cannot reach Redis or the broker, or no worker is scraped. Do not rely on "
        "any other alert.",
        customer="Unknown: any of the other troubles may be there.",
        remedy="Run `willcall doctor`, which needs neither API nor Prometheus.",
        critical=True,
        alert="WillcallMetricsMissing",
    ),
}
