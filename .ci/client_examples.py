"""Run the examples of docs/examples that need the client, against a server of the command in `WILLCALL_BIN`."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from willcall_client.testing import WillcallServer

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"


def main() -> None:
    with WillcallServer() as server, TemporaryDirectory() as folder:
        server.simulator.add_order("tiqets", "2222222", quantity=2)

        def command(name: str) -> "list[str]":
            return [sys.executable, str(EXAMPLES / name), server.url, server.key]

        submitted = subprocess.run(
            command("submit_with_client.py"), capture_output=True, text=True, check=True, timeout=120
        )
        if "cart-42 fulfilled\n" not in submitted.stdout:
            sys.exit(f"submit_with_client.py printed: {submitted.stdout}")
        follower = subprocess.Popen(command("follow_the_feed.py"), cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            line = follower.stdout.readline() if follower.stdout else ""
        finally:
            follower.kill()
            follower.wait()
        if not line.endswith(" order.fulfilled cart-42\n"):
            sys.exit(f"follow_the_feed.py printed: {line}")


if __name__ == "__main__":
    main()
