"""The HTTP API: what backends ask and what providers tell."""
