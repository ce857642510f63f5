"""The providers: which requests to send to each, and how to read the responses."""
