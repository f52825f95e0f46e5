"""For whoever watches over the server: liveness, readiness, health, metrics."""

from convstore.http.monitoring import Health
from convstore.http.openapi.operation import Answer, Operation, Tag, json
from convstore.http.openapi.words import TEXT, members

_FOR_SUPERUSERS = "Only for superusers."

ALIVE = Operation(
    tag=Tag.OPERATION,
    summary="Whether this process answers",
    answers={200: json("It does.", members({"status": {"const": "alive"}}))},
)
READY = Operation(
    tag=Tag.OPERATION,
    summary="Whether requests can be sent here",
    answers={
        200: json("They can.", members({"status": {"const": "ready"}})),
        503: json("They cannot.", members({"status": {"const": "unavailable"}})),
    },
)
HEALTH = Operation(
    tag=Tag.OPERATION,
    summary="How this process sees the log and the read models",
    answers={200: json("Whether all is well, and how each of them stands.", Health)},
    refusals={403: _FOR_SUPERUSERS},
)
METRICS = Operation(
    tag=Tag.OPERATION,
    summary="What this process has counted, for Prometheus",
    answers={
        200: Answer(
            about="In one of Prometheus's formats, as `Accept` says.",
            content={"text/plain": TEXT, "application/openmetrics-text": TEXT},
        )
    },
    refusals={403: _FOR_SUPERUSERS},
)
