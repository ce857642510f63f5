"""The `willcall` command."""
