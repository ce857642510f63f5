"""A simulator of the five ticketing providers over HTTP: scripted per order, with a ledger of all requests."""
