"""The log: append-only events in PostgreSQL, the only truth of this system."""
