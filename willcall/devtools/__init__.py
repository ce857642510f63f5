"""Development tools: every process on this machine, a callback receiver, and the demo."""
