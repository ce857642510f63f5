"""Use cases, one function each: submit, poll_once, ingest_webhook, settle, notify, pause, cancel and so on."""
