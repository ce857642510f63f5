"""Process infrastructure: composition, heartbeats and process metrics."""
