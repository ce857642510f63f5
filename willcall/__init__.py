"""Willcall gets the tickets of orders that a backend has already bought at a ticketing provider."""

#: pyproject.toml reads it from here.
__version__ = "0.2.0"
