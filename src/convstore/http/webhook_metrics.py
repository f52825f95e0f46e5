"""What is counted of webhooks: requests of this process, and all webhooks as it last saw them."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from convstore.backend import Backend

_OUTCOMES: Final = ("taken", "refused", "dead")
_STATES: Final = ("pushing", "failing", "halted", "paused")


class WebhookMetrics(Collector):
    """What was pushed, what could not be, and how the webhooks stand."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        webhooks = self._backend.webhooks
        labels = ["subscription"]
        requests = CounterMetricFamily(
            "convstore_webhook_requests", "Requests to receivers, by what became.", labels=["subscription", "outcome"]
        )
        seconds = CounterMetricFamily("convstore_webhook_request_seconds", "Seconds that they took.", labels=labels)
        flying = GaugeMetricFamily("convstore_webhook_requests_in_progress", "Requests under way.", labels=labels)
        failing = GaugeMetricFamily("convstore_webhook_failing_slots", "Slots that do not go on.", labels=labels)
        state = GaugeMetricFamily(
            "convstore_webhook_state", "1 for the state that it is in.", labels=["subscription", "state"]
        )
        if webhooks is not None:
            for name, counted in webhooks.counted.items():
                for outcome in _OUTCOMES:
                    requests.add_metric([name, outcome], counted.outcomes[outcome])
                seconds.add_metric([name], counted.seconds)
            for name, number in webhooks.flying.items():
                flying.add_metric([name], number)
            for webhook in webhooks.known:
                failing.add_metric([webhook.name], webhook.failing)
                for each in _STATES:
                    state.add_metric([webhook.name, each], webhook.state == each)
        yield from (requests, seconds, flying, failing, state)
