"""The API does what its OpenAPI document says, whatever it is asked."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from tests.integration.api.conftest import KEY, Running

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")

#: Which orders can be taken depends on the accounts and on the providers' references: no schema says it.
BEYOND_A_SCHEMA = "positive_data_acceptance"

#: DELETE erases what an order says; its id, times and outcomes can still be read.
BY_DESIGN = "use_after_free"

#: An order that a batch rejects has its error among the results: the batch itself is accepted. Every value of a form's
#: field is text, so there is none of another type.
CONFIGURATION = """
[[operations]]
include-path = "/v1/orders:batch"
[operations.checks]
negative_data_rejection.enabled = false

[[operations]]
include-path = "/v1/orders/{order_id}/complete"
[operations.checks]
negative_data_rejection.enabled = false
"""


@pytest.mark.hypothesis  # `make proof` searches here too
def test_every_response_is_as_described_and_no_server_error(api: Running, tmp_path: Path) -> None:
    """Requests made from the document, valid and not, alone and in a row; the same each time, more by `make proof`."""
    api.submit("cart-42")  # the order that the document's examples are about
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    ended = subprocess.run(  # noqa: S603 - a test tool
        [
            SCHEMATHESIS,
            "run",
            f"{api.url}/openapi.json",
            f"--header=Authorization: Bearer {KEY}",
            "--seed=1",
            f"--max-examples={settings.default.max_examples // 10}",
            f"--exclude-checks={BEYOND_A_SCHEMA},{BY_DESIGN}",
            "--no-color",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    assert "request failed" not in api.log
