"""Proofs by running: chaos and overload. Each is a program of its own, and ends by itself."""
