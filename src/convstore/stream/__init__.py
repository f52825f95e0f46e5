"""The event stream: what other systems follow the log by, from where they stopped, without missing or doubling."""
