"""The version that hatchling gives this distribution: that of the server, which is released with it."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def version() -> str:
    """Read the version from the server's package or, in an unpacked sdist, from the sdist's own metadata."""
    metadata, server = HERE / "PKG-INFO", HERE.parent / "willcall" / "__init__.py"
    file, pattern = (metadata, r"^Version: (.+)$") if metadata.exists() else (server, r'^__version__ = "(.+)"$')
    found = re.search(pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise ValueError(f"{file} names no version")
    return found[1]
