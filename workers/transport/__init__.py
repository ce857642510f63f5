"""The Redis transport: kombu's, with countdowns that survive their workers. See docs/transport.md."""
