"""The order board: pages for operators, rendered here, kept up to date by server-sent events."""
