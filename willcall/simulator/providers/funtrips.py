"""Funtrips: the HTTP status says whether tickets are ready, 202 with `Retry-After` until then.

https://docs.funtrips.io - the body of the 200 is documented nowhere in full. Each path answers in a form of
its own, so that a client has to read all of them: a list of records for `checkout_id`, an object with
`items` for a user's or all records, the bare record for a headless checkout.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote_plus

from willcall.simulator.phases import Phase, overall
from willcall.simulator.providers.base import Provider, Scope, Target, View, reason
from willcall.simulator.script import AccountScript, ProviderName
from willcall.simulator.wire import Answer, Call, as_json, ask_to_wait, timestamp

#: After the internal events on https://docs.funtrips.io/reference/confirmfulfillment
WORDS = {
    Phase.PENDING: "PENDING",
    Phase.PARTIAL: "CONFIRMED",
    Phase.ISSUED: "COMPLETED",
    Phase.FAILED: "FAILED",
    Phase.CANCELLED: "CANCELLED",
}

DAY = 86_400


class Funtrips(Provider):
    """The admin, headless and OAuth paths."""

    name: ClassVar[ProviderName] = "funtrips"

    def default_credentials(self, account: str) -> dict[str, str]:
        """An OAuth client for servers and a public bearer for headless checkouts."""
        return {
            "client_id": f"funtrips-{account}",
            "client_secret": f"funtrips-{account}-secret",
            "public_bearer": f"funtrips-{account}-public",
        }

    def keys(self, credentials: Mapping[str, str]) -> dict[str, Scope]:
        """The client may only ask for tokens; the public bearer may only see its own session."""
        clients = dict.fromkeys(self.token_keys(credentials).values(), "client")
        return {**clients, f"Bearer {credentials['public_bearer']}": "public"}

    def token_keys(self, credentials: Mapping[str, str]) -> dict[str, str]:
        """Basic as RFC 6749 has it, Basic without its encoding, and the form body."""
        client, secret = credentials["client_id"], credentials["client_secret"]
        return {
            "basic": f"basic {quote_plus(client)}:{quote_plus(secret)}",
            "basic_raw": f"basic {client}:{secret}",
            "body": f"body {client}:{secret}",
        }

    def route(self, call: Call) -> Target:
        """Paths of https://docs.funtrips.io and the token endpoint."""
        key = call.headers.get("Authorization")
        match call.method, call.path.split("/"):
            case "POST", ["", "oauth", "token"]:
                return Target("token", None, _client(call), "client")
            case "GET", ["", "v1", "admin", "fulfillments"]:
                user = call.query.get("external_user_id")
                reference = call.query.get("checkout_id") or (f"user:{user}" if user else None)
                return Target("status" if reference else "list", reference, key, "admin")
            case "GET", ["", "v1", "checkouts", checkout_id, "fulfillment"]:
                return Target("status", checkout_id, key, "public")
            case "GET", ["", "v1", "me", "fulfillments"]:
                return Target("status", "me", key, "public")
        return Target("other", None, key)

    def members(self, reference: str) -> str | None:
        """A user's checkouts."""
        return _user(reference)

    def show(self, target: Target, views: Sequence[View]) -> Answer:
        """202 until the first record can be shown."""
        grouped = _user(target.reference or "") is not None
        phase = overall([view.phase for view in views])
        word = views[0].word
        if not word and (phase is Phase.PENDING or (phase is Phase.PARTIAL and not grouped)):
            hint = views[0].order.pending_hint
            waiting = as_json({"status": "PENDING"}, status=202)
            waiting.headers["Cache-Control"] = "no-store"
            return ask_to_wait(waiting, hint.retry_after, hint.form, views[0].now)
        if grouped:
            return _records(views)
        record = _record(views[0])
        return as_json(record if target.scope == "public" else [record] * views[0].order.listed_times)

    def listing(self, call: Call, views: Sequence[View]) -> tuple[Answer, Sequence[View]]:  # noqa: ARG002
        """Every record of the account, also those without tickets yet."""
        return _records(views), views

    def error(self, status: int) -> Answer:
        """RFC 9457."""
        body = {"type": "about:blank", "title": reason(status), "status": status}
        return as_json(body, status=status, content_type="application/problem+json")

    def granted(self, token: str, script: AccountScript) -> Answer:
        """RFC 6749, section 5.1, in as many ways as the script has."""
        life = {"number": script.token_lifetime, "text": str(script.token_lifetime)}.get(script.token_lifetime_form)
        body = {"access_token": token, "token_type": "bearer"} | ({} if life is None else {"expires_in": life})
        answer = as_json(body, status=script.token_status)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _user(reference: str) -> str | None:
    """The user whom a reference names, if it does; `me` is whoever's session it is."""
    if reference == "me":
        return reference
    return reference.removeprefix("user:") if reference.startswith("user:") else None


def _client(call: Call) -> str | None:
    """The client's credentials, from HTTP Basic or from the form."""
    if call.form.get("grant_type") != "client_credentials":
        return None
    scheme, _, encoded = call.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return f"body {call.form.get('client_id')}:{call.form.get('client_secret')}"
    try:
        return f"basic {b64decode(encoded, validate=True).decode()}"
    except (Base64Error, UnicodeDecodeError):
        return None


def _record(view: View) -> dict[str, Any]:
    """A fulfilment record; its tickets are an empty list until they are issued."""
    ago = view.order.issued_ago
    validity = {"valid_from": timestamp(view.known_at), "valid_until": timestamp(view.known_at + 30 * DAY)}
    if ago is not None:
        validity = {"valid_from": timestamp(view.known_at - ago - DAY), "valid_until": timestamp(view.known_at - ago)}
    user = _user(view.order.reference)
    return {
        "fulfillment_order_id": view.secrets[0],
        "checkout_id": f"chk-{view.secrets[0]}" if user else view.order.reference,
        "external_user_id": user or view.order.external_user_id,
        "status": view.word or WORDS[view.phase],
        "last_mutation_date": timestamp(view.now if ago is None else view.known_at - ago),
        "tickets": [
            {
                "ticket_id": view.secrets[index],
                "barcode": view.barcode(index),
                "barcode_format": "QR",
                "pdf_url": view.document(index),
                **validity,
            }
            for index in range(view.issued)
        ],
    }


def _records(views: Sequence[View]) -> Answer:
    """Records under `items`."""
    records = [_record(view) for view in views for _ in range(view.order.listed_times)]
    return as_json({"items": records, "next_cursor": None})
