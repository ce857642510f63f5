"""What tables of the configuration are built from: the base of all tables, secrets, and files that hold secrets."""
