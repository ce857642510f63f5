"""The configuration: settings, accounts, and how they are loaded."""

from willcall.config.accounts import find_account
from willcall.config.loader import Config, ConfigError, load
from willcall.config.settings import Settings

__all__ = ["Config", "ConfigError", "Settings", "find_account", "load"]
