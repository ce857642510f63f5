"""Willcall gets the tickets of orders that a backend has already bought at a ticketing provider."""
