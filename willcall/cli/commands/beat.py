"""`willcall beat`."""

from willcall.cli.bootstrap import read_config
from willcall.runtime.live_config import LiveConfig
from workers.processes.beat import run_beat


def beat() -> None:
    """Run beat, which starts the sweeps."""
    run_beat(LiveConfig(read_config))
