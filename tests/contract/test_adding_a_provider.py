"""The example in docs/adding-a-provider.md works unchanged."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from willcall.http.messages import Response
from willcall.orders.outcomes import Cancelled, Declined, Issued, NotReady, Outcome
from willcall.providers.base import OrderQuery
from willcall.providers.reading import with_retry_after

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", (ROOT / "docs/adding-a-provider.md").read_text(), re.MULTILINE | re.DOTALL)
(ADAPTER_CODE,) = (text for kind, text in BLOCKS if kind == "python" and text.startswith('"""The Gatepass adapter.'))
(SIMULATOR_CODE,) = (text for kind, text in BLOCKS if kind == "python" and text.startswith('"""Gatepass: a state'))
BODY, RECORDED = (json.loads(text) for kind, text in BLOCKS if kind == "json")


@pytest.fixture(scope="module")
def adapter() -> Any:
    names: dict[str, Any] = {"__name__": "gatepass"}
    exec(compile(ADAPTER_CODE, "adapter.py", "exec"), names)  # noqa: S102 - our own documentation
    return names["GatepassAdapter"]()


def read(adapter: Any, body: object, headers: dict[str, str] | None = None) -> Outcome:
    response = Response(200, headers or {}, json.dumps(body).encode(), received_at=0.0)
    return with_retry_after(adapter.read_status(OrderQuery("B-1001"), response), response)


def test_the_recorded_response_is_read_as_its_case_says(adapter: Any) -> None:
    outcome = read(adapter, BODY, RECORDED["headers"])
    expected = RECORDED["expect"]
    assert isinstance(outcome, NotReady)
    assert (outcome.provider_status, outcome.retry_after) == (expected["provider_status"], expected["retry_after"])


@pytest.mark.parametrize(
    ("word", "kind"),
    [("ready", Issued), ("waiting", NotReady), ("refused", Declined), ("cancelled", Cancelled), ("exploded", NotReady)],
)
def test_each_word_means_its_outcome(adapter: Any, word: str, kind: type[Outcome]) -> None:
    outcome = read(adapter, {"state": word, "tickets": [{"barcode": "1"}]})
    assert type(outcome) is kind
    assert outcome.provider_status == word


def test_a_request_is_built(adapter: Any) -> None:
    credentials = adapter.credentials.model_validate({"api_key": "s3cret-api-key"})
    adapter.check_reference("B-1001", credentials)
    request = adapter.status_request(OrderQuery("B-1001"), credentials, None)
    assert request.url == "https://api.gatepass.example/v1/bookings/B-1001"


@pytest.mark.parametrize(
    ("code", "place"),
    [
        (ADAPTER_CODE, "willcall/providers/tiqets/adapter.py"),
        (SIMULATOR_CODE, "willcall/simulator/providers/tiqets.py"),
    ],
    ids=["adapter", "simulator"],
)
def test_the_code_passes_the_linter(code: str, place: str) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename", place, "-"]
    checked = subprocess.run(command, input=code, cwd=ROOT, text=True, capture_output=True, check=False)  # noqa: S603
    assert checked.returncode == 0, checked.stdout


def test_the_simulator_module_can_be_imported() -> None:
    exec(compile(SIMULATOR_CODE, "gatepass.py", "exec"), {"__name__": "gatepass"})  # noqa: S102 - our own documentation
