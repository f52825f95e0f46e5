"""Webhooks: the events of a subscription, pushed to its receiver over HTTP, signed, at least once, in order."""
