"""What a server process counts of delivery by e-mail and SMS; of the queues only the process that sends knows."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from convstore.backend import Backend
from convstore.delivery.inbound import Outcome
from convstore.delivery.plan import CHANNELS
from convstore.delivery.verdict import State


class DeliveryMetrics(Collector):
    """Mails and SMS: what became of them, what waits, and answers by mail."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterator[Metric]:
        """Give the metrics as they are now."""
        delivery = self._backend.delivery
        counted = {} if delivery is None else delivery.counted
        outcomes = CounterMetricFamily(
            "convstore_delivery_attempts",
            "Mails and SMS that were tried, by what became.",
            labels=["channel", "outcome"],
        )
        for channel in CHANNELS:
            numbers = counted.get(channel, Counter())
            for outcome in (*State, "untried"):
                outcomes.add_metric([channel, outcome], numbers[outcome])
        yield outcomes
        answers = CounterMetricFamily(
            "convstore_mail_answers", "Mails that came in, by what became.", labels=["outcome"]
        )
        came_in = Counter[str]() if delivery is None else delivery.answers
        for came in Outcome:
            answers.add_metric([came], came_in[came])
        yield answers
        yield from self._queues()

    def _queues(self) -> Iterator[Metric]:
        delivery = self._backend.delivery
        known = {} if delivery is None else {figures.channel: figures for figures in delivery.figures()}
        waiting = GaugeMetricFamily("convstore_delivery_waiting", "Mails and SMS to be sent.", labels=["channel"])
        oldest = GaugeMetricFamily(
            "convstore_delivery_oldest_seconds", "Age of the oldest of them.", labels=["channel"]
        )
        dead = GaugeMetricFamily("convstore_delivery_dead", "Those that never arrived.", labels=["channel"])
        lag = GaugeMetricFamily("convstore_delivery_lag_events", "Events not looked at yet.", labels=["channel"])
        trouble = GaugeMetricFamily("convstore_delivery_unavailable", "Whether nothing is taken.", labels=["channel"])
        stopped = GaugeMetricFamily("convstore_delivery_stopped", "Whether it stands still.", labels=["channel"])
        for channel in CHANNELS:
            figures = known.get(channel)
            waiting.add_metric([channel], 0 if figures is None else figures.waiting + figures.sending)
            oldest.add_metric([channel], 0 if figures is None else figures.oldest_seconds or 0)
            dead.add_metric([channel], 0 if figures is None else figures.dead)
            lag.add_metric([channel], 0 if figures is None else figures.lag)
            trouble.add_metric([channel], figures is not None and figures.trouble is not None)
            stopped.add_metric([channel], figures is not None and figures.stopped is not None)
        yield from (waiting, oldest, dead, lag, trouble, stopped)
