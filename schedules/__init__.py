"""Beat's timetable and its sweeps, one per file. A sweep is idempotent, bounded, and runs once at a time."""
