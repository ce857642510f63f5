"""Folders that only their owner may enter, whatever the umask: they hold tickets and secrets."""

from itertools import takewhile
from pathlib import Path

#: The access that a private folder gives to users who are neither its owner nor in its group.
_OTHERS = 0o007


def make_private_folder(folder: Path) -> None:
    """Create a folder and its missing parents with mode 0700. What exists keeps its mode."""
    missing = takewhile(lambda parent: not parent.exists(), folder.parents)
    for each in reversed([folder, *missing]):
        each.mkdir(mode=0o700, exist_ok=True)


def is_open_to_others(folder: Path) -> bool:
    """Return whether any user of the machine may list or change what is in a folder."""
    return bool(folder.stat().st_mode & _OTHERS)
