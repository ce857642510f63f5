"""`python -m willcall.simulator [--host H] [--port P] [--script FILE] [--ledger FILE]`."""

import argparse
from pathlib import Path

from willcall.simulator.launch import run_simulator
from willcall.simulator.script import Script, load


def main() -> None:
    """Read the command line and serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose; printed as JSON")
    parser.add_argument("--script", type=Path, help="JSON or TOML file of accounts and orders")
    parser.add_argument("--ledger", type=Path, help="append every request to this file, one JSON a line")
    arguments = parser.parse_args()
    script = load(arguments.script) if arguments.script else Script()
    run_simulator(arguments.host, arguments.port, script, ledger=arguments.ledger)


if __name__ == "__main__":
    main()
