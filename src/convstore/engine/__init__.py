"""The engine: carries events from the log into read models, in order, each exactly once."""

from convstore.engine.engine import Engine
from convstore.engine.status import ProjectionStatus, read_status

__all__ = ["Engine", "ProjectionStatus", "read_status"]
