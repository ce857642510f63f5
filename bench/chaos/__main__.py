"""`python -m bench.chaos --seed N [--minutes M] [--orders K] [--card FILE]`; exit code 0 only when all checks pass."""

import argparse
import subprocess
import sys
from pathlib import Path

from kombu.transport import resolve_transport

from bench.chaos.run import run
from bench.chaos.scorecard import failures, passed, scorecard
from willcall.devtools.embedded_redis import executable

CARDS = Path(__file__).parents[2] / "docs" / "chaos"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description="Inject faults, then check promises.")
    parser.add_argument("--seed", type=int, required=True, help="decides orders and faults")
    parser.add_argument("--minutes", type=float, default=2.0, help="how long faults are injected (default: 2)")
    parser.add_argument("--orders", type=int, default=2_000, help="how many (default: 2000)")
    parser.add_argument("--card", type=Path, help="where the score card goes (default: docs/chaos/seed-N.md)")
    given = parser.parse_args()
    outcome = run(given.seed, given.minutes, given.orders)
    found = failures(outcome.history)
    command = f"python -m bench.chaos --seed {given.seed} --minutes {given.minutes:g} --orders {given.orders}"
    card = scorecard(outcome, found, command=command, seed=given.seed, software=_software())
    path = given.card or CARDS / f"seed-{given.seed}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(card, encoding="utf-8")
    for name, wrong in found.items():
        sys.stdout.write(f"{'FAILED' if wrong else 'passed'}  {name}\n")
        sys.stdout.writelines(f"          {line}\n" for line in wrong[:5])
    sys.stdout.write(f"score card: {path}\nledgers and logs: {outcome.folder}\n")
    return 0 if passed(outcome, found) else 1


def _software() -> dict[str, str]:
    server = subprocess.run([executable(), "--version"], capture_output=True, text=True, check=True)
    transport = resolve_transport("redis")
    return {"redis-server": server.stdout.split("v=")[1].split()[0], "transport": transport.__module__}


if __name__ == "__main__":
    sys.exit(main())
