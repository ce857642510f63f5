"""`python -m bench.upgrade`: from the last release to this one and back."""

import argparse
import shutil
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

from bench.upgrade.releases import CURRENT, NoReleaseError, Release, check_out, released_commit, remove
from bench.upgrade.run import dump_state, run
from bench.upgrade.scenario import scenario
from willcall.devtools.local_deployment import StartError

#: Nothing could be checked.
LEFT_OUT = 77


def main() -> int:
    """Run both directions, and print a line about each."""
    parser = argparse.ArgumentParser(prog="python -m bench.upgrade", description=__doc__)
    parser.add_argument("commit", nargs="?", help="the release to upgrade from; by default that of .ci/released")
    parser.add_argument("--dump", type=Path, help="write the state of that release to this file, and do no more")
    arguments = parser.parse_args()
    folder = Path(mkdtemp(prefix="willcall-upgrade-"))
    try:
        released = check_out(arguments.commit or released_commit(), folder / "release")
    except NoReleaseError as error:
        sys.stdout.write(f"Left out: the upgrade, because {error}\n")
        return LEFT_OUT
    try:
        if arguments.dump:
            (folder / "dump").mkdir()
            missing = dump_state(released, folder / "dump", scenario(), arguments.dump)
            sys.stdout.write("\n".join([f"the state of {released.name} is in {arguments.dump}", *missing]) + "\n")
            return int(bool(missing))
        failed = max(_report(released, CURRENT, folder / "upgrade"), _report(CURRENT, released, folder / "way-back"))
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
        return failed
    finally:
        remove(released)


def _report(first: Release, second: Release, folder: Path) -> int:
    started = time.monotonic()
    folder.mkdir()
    made = scenario()
    try:
        problems = run(first, second, folder, made)
    except StartError as error:
        problems = [f"a process did not start; its log ends with: {error}"]
    result = "FAILED" if problems else "every order ended as scripted, and no event was lost or doubled"
    lines = [f"{first.name} -> {second.name}, {len(made.orders)} orders, {time.monotonic() - started:.0f} s: {result}"]
    lines += [f"  {problem}" for problem in [*problems, *([f"logs are in {folder}"] if problems else [])]]
    sys.stdout.write("\n".join(lines) + "\n")
    return int(bool(problems))


sys.exit(main())
