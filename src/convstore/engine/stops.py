"""The two ways in which a read model stops being carried on by this process."""

from collections.abc import Collection

from convstore.errors import ConvstoreError


class ProjectionStopped(ConvstoreError):
    """A read model cannot go on: the text says where and why."""


class LeaseLost(ConvstoreError):
    """Another process has taken checkpoints over, or the log is not the one they stood on; ``projections``: whose."""

    def __init__(self, projections: Collection[str]) -> None:
        super().__init__(", ".join(sorted(projections)))
        self.projections = frozenset(projections)
