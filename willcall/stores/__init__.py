"""Redis: one store per subject. Every change of an order or account is one Lua script.

Clients decode responses. Keys and their lifetimes are in `keys`, scripts in `lua/`.
"""
