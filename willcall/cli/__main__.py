"""`willcall`, also as `python -m willcall.cli`."""

import signal
import sys

#: Commands that take SIGHUP as a request to reload. Until they can, it waits: see `willcall.runtime.hangup`.
_RELOADING = {"worker", "beat", "api", "flower", "up"}


def main() -> None:
    """Run the command line."""
    if sys.argv[1:2] and sys.argv[1] in _RELOADING:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    from willcall.cli.main import main as run  # noqa: PLC0415 - importing takes time, in which SIGHUP would kill

    run()


if __name__ == "__main__":
    main()
