"""What is counted of the event stream: who follows it, and how far behind subscriptions are."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final

from aiohttp import web
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from convstore.http.watch import Watch
from convstore.stream.hub import Hub
from convstore.stream.lookout import Lookout

LOOKOUT: Final = web.AppKey("lookout", Lookout)


class StreamMetrics(Collector):
    """The followers of this process, and all subscriptions as this process last saw them."""

    def __init__(self, hub: Hub, watch: Watch, lookout: Lookout) -> None:
        self._hub = hub
        self._watch = watch
        self._lookout = lookout

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as they are now."""
        yield GaugeMetricFamily("convstore_stream_followers", "Open streams of events.", self._hub.followers)
        yield GaugeMetricFamily("convstore_inbox_followers", "Inboxes that are followed.", self._watch.followers)
        labels = ["subscription"]
        events = GaugeMetricFamily(
            "convstore_subscription_lag_events",
            "Events of the log after the slot that is furthest back.",
            labels=labels,
        )
        seconds = GaugeMetricFamily(
            "convstore_subscription_lag_seconds", "Age of the first event that is not acknowledged.", labels=labels
        )
        dead = GaugeMetricFamily("convstore_subscription_dead_letters", "Events not dealt with.", labels=labels)
        consumers = GaugeMetricFamily("convstore_subscription_consumers", "Consumers that are there.", labels=labels)
        ahead = GaugeMetricFamily(
            "convstore_subscription_ahead", "Whether the log is not the one that it followed.", labels=labels
        )
        for standing in self._lookout.standings:
            of = [standing.subscription.name]
            events.add_metric(of, standing.behind)
            seconds.add_metric(of, standing.seconds)
            dead.add_metric(of, standing.dead)
            consumers.add_metric(of, len(standing.consumers))
            ahead.add_metric(of, standing.ahead)
        yield from (events, seconds, dead, consumers, ahead)


async def keep_watching(app: web.Application) -> AsyncIterator[None]:
    """Look at the subscriptions as long as the application is served."""
    task = asyncio.create_task(app[LOOKOUT].run(), name="watch subscriptions")
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
