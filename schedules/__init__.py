"""Beat's timetable, one sweep a file. A sweep is idempotent, bounded, and runs once at a time."""
