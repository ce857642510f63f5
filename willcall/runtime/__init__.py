"""Process infrastructure: heartbeats and what a process measures of itself."""
