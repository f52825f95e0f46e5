"""The engine: carries events from the log into read models, in order, each exactly once."""
