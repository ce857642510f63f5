"""How Willcall was installed, and so how its extras are."""

import sys
from pathlib import Path


def install_command(extra: str) -> str:
    """Return the command that adds an extra to the environment in which this process runs."""
    package = f"'willcall[{extra}]'"
    environment = Path(sys.prefix)
    if (environment / "uv-receipt.toml").exists():
        return f"uv tool install {package}"
    if (environment / "pipx_metadata.json").exists():
        return f"pipx install --force {package}"
    return f"pip install {package}"
