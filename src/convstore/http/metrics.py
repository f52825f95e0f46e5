"""What a server process counts, as Prometheus reads it.

Requests are counted as they are answered. All else is only read when somebody asks for it, from numbers that the parts
keep anyway: asking touches no database, so it works when that is away.

docs/operations.md says what each metric means; a test keeps the two together.
"""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import convstore
from convstore.backend import Backend
from convstore.database import Pool
from convstore.http.delivery_metrics import DeliveryMetrics
from convstore.log.counters import SIZES

# Upper ends of the classes that requests are counted in, by seconds.
_SECONDS: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
# Stands for whatever path leads nowhere: what others make up must not become series.
_NOWHERE: Final = "unknown"


class Metrics:
    """The metrics of one server process. ``worker`` tells it from its siblings, from 0: a label of each series."""

    def __init__(self, backend: Backend, worker: int = 0) -> None:
        self.worker = worker
        self.in_progress = 0
        # The library's own default registry would be shared by all servers in one process.
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "convstore_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "convstore_http_request_seconds",
            "How long requests took, until the answer began.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._registry,
        )
        # Looking a series up by its labels costs more than counting.
        self._known: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._registry.register(_Server(self, backend))
        self._registry.register(_Log(backend))
        self._registry.register(_Projections(backend))
        self._registry.register(DeliveryMetrics(backend))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def register(self, collector: Collector) -> None:
        """Count what another part knows, too."""
        self._registry.register(collector)

    def served(self, method: str | None, route: str | None, status: int, seconds: float) -> None:
        """Count a request; method and route are those of the route that served it, None when there is none."""
        series = method or _NOWHERE, route if route is not None else _NOWHERE, status
        known = self._known.get(series)
        if known is None:
            known = self._known[series] = (self._requests.labels(*series), self._seconds.labels(*series[:2]))
        counter, histogram = known
        counter.inc()
        histogram.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Give all metrics as they are now."""
        for metric in self._registry.collect():
            labelled = Metric(metric.name, metric.documentation, metric.type, metric.unit)
            labelled.samples = [
                sample._replace(labels={**sample.labels, "worker": str(self.worker)})
                for sample in metric.samples
                # The library's, beside each counter: when it began. Nobody asks, and they are many.
                if not sample.name.endswith("_created")
            ]
            yield labelled

    def answer(self, accept: str) -> web.Response:
        """Write all metrics in the text format that a scraper accepts: Prometheus' own, or OpenMetrics."""
        encode, content_type = choose_encoder(accept)
        return web.Response(body=encode(self), headers={"Content-Type": content_type})


METRICS = web.AppKey("metrics", Metrics)


def known_heads(backend: Backend) -> list[int]:
    """Give the last position of each partition as this process knows it: at most a second old."""
    heads = [0] * backend.store.partitions
    for status in backend.engine.status():
        heads[status.partition] = max(heads[status.partition], status.head)
    return heads


class _Server(Collector):
    """The process: which release, what is being served, connections to the database, logins."""

    def __init__(self, metrics: Metrics, backend: Backend) -> None:
        self._metrics = metrics
        self._backend = backend

    def collect(self) -> Iterator[Metric]:
        store = self._backend.store
        yield InfoMetricFamily(
            "convstore", "Which release serves which store.", {"release": convstore.__version__, "store": store.id}
        )
        yield GaugeMetricFamily(
            "convstore_http_requests_in_progress", "Requests being served.", self._metrics.in_progress
        )
        logins = CounterMetricFamily("convstore_logins", "Credentials judged, by how.", labels=["outcome"])
        counted = self._backend.directory.counted
        for outcome in ("remembered", "verified", "refused"):
            logins.add_metric([outcome], getattr(counted, outcome))
        yield logins
        open_now = GaugeMetricFamily(
            "convstore_database_connections", "Connections to the database.", labels=["pool", "state"]
        )
        most = GaugeMetricFamily("convstore_database_connections_limit", "The most there may be.", labels=["pool"])
        for name, pool in self._pools():
            idle = pool.get_idle_size()
            open_now.add_metric([name, "idle"], idle)
            open_now.add_metric([name, "busy"], pool.get_size() - idle)
            most.add_metric([name], pool.get_max_size())
        yield open_now
        yield most

    def _pools(self) -> Iterator[tuple[str, Pool]]:
        yield "requests", self._backend.pool
        yield "readers", self._backend.readers


class _Log(Collector):
    """The log: what this process appended, what waits, the cache of states, and the ends of the partitions."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterator[Metric]:
        store = self._backend.store
        counters = store.counters()
        sizes = HistogramMetricFamily(
            "convstore_append_batch_commands", "Commands in each batch sent to the log.", labels=["partition"]
        )
        for partition, counted in enumerate(counters):
            ends = [*(str(float(size)) for size in SIZES), "+Inf"]
            classes = list(zip(ends, accumulate(counted.sizes), strict=True))
            sizes.add_metric([str(partition)], classes, counted.commands)
        yield sizes
        for name, attribute, text in (
            ("convstore_append_requests", "requests", "What was submitted together and got its answer from the log."),
            ("convstore_append_events", "events", "Events appended."),
            ("convstore_append_stale", "stale", "Decided again, because another process was faster."),
            ("convstore_append_busy", "refused_busy", "Refused, because the queue was full."),
            ("convstore_append_reconnects", "reconnects", "Connections of the appender that were lost."),
            ("convstore_states_found", "found", "States that a batch needed and the cache had."),
            ("convstore_states_missed", "missed", "States that a batch needed and that were read from the log."),
        ):
            family = CounterMetricFamily(name, text, labels=["partition"])
            for partition, counted in enumerate(counters):
                family.add_metric([str(partition)], getattr(counted, attribute))
            yield family
        queue = GaugeMetricFamily("convstore_append_queue_commands", "Commands that wait.", labels=["partition"])
        for partition, waiting in enumerate(store.queues()):
            queue.add_metric([str(partition)], waiting)
        yield queue
        kept = store.kept()
        yield GaugeMetricFamily("convstore_states_kept", "States in the cache.", kept.states)
        yield GaugeMetricFamily("convstore_states_bytes", "What they weigh, estimated.", kept.weight)
        yield GaugeMetricFamily("convstore_states_bytes_limit", "What they may weigh.", kept.limit)
        head = GaugeMetricFamily("convstore_log_head", "Last position of the log.", labels=["partition"])
        for partition, position in enumerate(known_heads(self._backend)):
            head.add_metric([str(partition)], position)
        yield head


class _Projections(Collector):
    """The read models, as this process sees them: also those that another one carries."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def collect(self) -> Iterator[Metric]:
        labels = ["projection", "partition"]
        position = GaugeMetricFamily("convstore_projection_position", "Last position taken in.", labels=labels)
        events = GaugeMetricFamily("convstore_projection_lag_events", "Events not taken in yet.", labels=labels)
        seconds = GaugeMetricFamily(
            "convstore_projection_lag_seconds", "Age of the oldest event not taken in.", labels=labels
        )
        stopped = GaugeMetricFamily("convstore_projection_stopped", "Whether it stands still.", labels=labels)
        retrying = GaugeMetricFamily(
            "convstore_projection_retrying", "Whether its last page failed for a passing reason.", labels=labels
        )
        mine = GaugeMetricFamily("convstore_projection_carried", "Whether this process carries it.", labels=labels)
        taken_in = CounterMetricFamily(
            "convstore_projection_events", "Events that this process has taken in.", labels=labels
        )
        for status in self._backend.engine.status():
            of = [status.projection, str(status.partition)]
            position.add_metric(of, status.position)
            events.add_metric(of, status.events)
            seconds.add_metric(of, status.seconds)
            stopped.add_metric(of, status.stopped is not None)
            retrying.add_metric(of, status.error is not None)
            mine.add_metric(of, status.mine)
            taken_in.add_metric(of, status.taken_in)
        yield GaugeMetricFamily(
            "convstore_projection_look_age_seconds",
            "Age of the last look at the checkpoints.",
            self._backend.engine.seconds_since_look,
        )
        yield from (position, events, seconds, stopped, retrying, mine, taken_in)
        samples = self._backend.engine.samples
        yield CounterMetricFamily(
            "convstore_sample_conversations", "Conversations replayed and compared.", samples.conversations
        )
        yield CounterMetricFamily(
            "convstore_sample_differences", "Of them, those that the read models show otherwise.", samples.differing
        )
        yield GaugeMetricFamily("convstore_sample_age_seconds", "Time since the last of them.", samples.age)
