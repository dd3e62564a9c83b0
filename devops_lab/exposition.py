"""A server's own metrics, in the text format that Prometheus reads (version 0.0.4).

A counter only grows, a gauge goes up and down, a histogram counts how many values were at most
each of its edges. https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

EDGES_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Histogram:
    """Counts values by size. Where the edges are decides what can be read from it later.

    >>> histogram = Histogram("size_bytes", "Size.", edges=(10, 20))
    >>> for value in (10, 11, 99):
    ...     histogram.observe(value)
    >>> list(histogram.lines())[2:5]
    ['size_bytes_bucket{le="10"} 1', 'size_bytes_bucket{le="20"} 2', \
'size_bytes_bucket{le="+Inf"} 3']
    """

    def __init__(self, name: str, meaning: str, edges: Sequence[float] = EDGES_S) -> None:
        self.name, self.meaning, self.edges = name, meaning, edges
        self.counts = [0] * (len(edges) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.edges, value)] += 1
        self.sum += value

    def lines(self) -> Iterator[str]:
        """The lines of the exposition; each bucket counts the smaller ones too."""
        yield from _title(self.name, "histogram", self.meaning)
        so_far = 0
        for edge, count in zip((*self.edges, "+Inf"), self.counts, strict=True):
            so_far += count
            yield f'{self.name}_bucket{{le="{edge}"}} {so_far}'
        yield f"{self.name}_sum {self.sum}"
        yield f"{self.name}_count {so_far}"


class Metrics:
    """What a server counts about its requests.

    >>> metrics = Metrics()
    >>> metrics.finished("GET", 200, wait_s=0.0, service_s=0.03)
    >>> 'http_requests_total{method="GET",status="200"} 1' in metrics.text()
    True
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.in_flight = 0
        self.log_lines_lost = 0
        self.latency = Histogram(
            "http_request_duration_seconds", "Time from a request's arrival to its answer."
        )
        self.service = Histogram(
            "http_request_service_seconds", "Time a worker spent on a request."
        )

    def finished(self, method: str, status: int, wait_s: float, service_s: float) -> None:
        """Count one answered request."""
        self.requests[method, status] += 1
        self.latency.observe(wait_s + service_s)
        self.service.observe(service_s)

    def text(self) -> str:
        """All metrics, as Prometheus reads them."""
        lines = [*_title("http_requests_total", "counter", "Requests answered.")]
        for (method, status), count in sorted(self.requests.items()):
            lines.append(f'http_requests_total{{method="{method}",status="{status}"}} {count}')
        lines += _title("http_requests_in_flight", "gauge", "Requests waiting or in work.")
        lines += [f"http_requests_in_flight {self.in_flight}"]
        meaning = "Lines that found no room in the log."
        lines += _title("log_lines_lost_total", "counter", meaning)
        lines += [f"log_lines_lost_total {self.log_lines_lost}"]
        return "\n".join((*lines, *self.latency.lines(), *self.service.lines(), ""))


def _title(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"
