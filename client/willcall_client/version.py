"""The version of this distribution."""

from importlib.metadata import version

__version__ = version("willcall-client")

USER_AGENT = f"willcall-client/{__version__}"
