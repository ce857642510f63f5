"""All checks, side by side."""

from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from time import monotonic

from willcall.cli.doctor import (
    accounts,
    beat,
    broker,
    callbacks,
    configuration,
    documents,
    orders,
    queues,
    server,
    sweeps,
    workers,
)
from willcall.cli.doctor.findings import Diagnosis, Finding, unknown, wrong
from willcall.cli.doctor.patient import TIMEOUT, Patient
from willcall.stores.connection import StoreError
from willcall.stores.outages import NotServingError

Check = Callable[[Patient], list[Finding]]

#: By the name that `--only` knows them by, in the order in which they are shown: what stands on something follows it.
CHECKS: Mapping[str, Check] = {
    "config": configuration.check,
    "redis": server.check,
    "broker": broker.check,
    "workers": workers.check,
    "beat": beat.check,
    "sweeps": sweeps.check,
    "queues": queues.check,
    "orders": orders.check,
    "accounts": accounts.check,
    "documents": documents.check,
    "callbacks": callbacks.check,
}


def examine(patient: Patient, checks: Mapping[str, Check], timeout: float = TIMEOUT) -> list[Diagnosis]:
    """Run the checks at the same time, each for `timeout` seconds at most; none keeps another from its answer."""
    found: dict[str, list[Finding]] = {}

    def run(name: str) -> None:
        found[name] = _findings(checks[name], patient)

    # Daemons, so that what hangs beyond its time is left behind when the command ends.
    threads = [Thread(target=run, args=(name,), daemon=True) for name in checks]
    for thread in threads:
        thread.start()
    deadline = monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    late = wrong(f"no answer within {timeout:g} s", "Look at the network, and at what it hangs on.")
    return [Diagnosis(name, found.get(name, [late])) for name in checks]


def _findings(check: Check, patient: Patient) -> list[Finding]:
    try:
        return check(patient)
    except NotServingError:
        return [unknown("Redis does not serve")]
    except StoreError:
        return [unknown("Redis is away")]
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over, the others' answers are wanted all the more
        return [wrong(f"the check failed: {type(error).__name__}", "Report this, it is a mistake of ours.")]


def examined(patient: Patient, names: Sequence[str]) -> list[Diagnosis]:
    """The checks of these names, all where there are none."""
    return examine(patient, {name: check for name, check in CHECKS.items() if not names or name in names})
