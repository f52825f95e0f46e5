"""convstore: an event-sourced messaging backend that speaks DHIS2's message-conversations Web API."""

__version__ = "0.1.0"
