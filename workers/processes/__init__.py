"""One function per kind of process. Each runs in the foreground until it is stopped."""
