"""The figure of the three ways: what each way says, A beside B, and scales that stand still."""

from dataclasses import replace

import pandas as pd
import pytest

from devops_lab.figures import summary_of
from devops_lab.three_ways_figure import Answers, Numbers, three_ways

BY_LOAD = pd.DataFrame({"arrival_rate_per_s": [10, 19], "latency_mean_s": [0.1, 1.0]})
NUMBERS = Numbers({"mean": 0.25, "p50": 0.2, "p95": 0.7, "p99": 1.0}, error_share=0.05)
REAL = replace(NUMBERS, error_share=0.04)
NOW = Answers("now", 16, 20, BY_LOAD, BY_LOAD, NUMBERS, NUMBERS, REAL, NUMBERS, {16: 0.25})
BEFORE = Answers("before", 10, 20, None, BY_LOAD, None, NUMBERS)


def heights(name: str, axis: str, **answers: object) -> list[list[float]]:
    figure = three_ways(**answers)
    return [list(t.y) for t in figure.data if (t.name, t.yaxis) == (name, axis)]


def test_each_way_says_its_latencies_in_ms_and_its_errors_in_percent() -> None:
    assert heights("theory", "y2", now=NOW) == [[250, 200, 700, 1000]]
    assert heights("measured", "y2", now=NOW) == [[250, 200, 700, 1000]]
    assert heights("measured", "y", now=NOW) == [[250]]
    assert heights("simulated", "y3", now=NOW) == [[pytest.approx(5)]]
    assert heights("measured", "y3", now=NOW) == [[pytest.approx(4)]]
    said = summary_of(three_ways(NOW))
    assert "Formula: mean 250 ms, p50 200 ms, p95 700 ms, p99 1 s, errors 5 %." in said
    assert "Real servers: mean 250 ms, p50 200 ms, p95 700 ms, p99 1 s, errors 4 %." in said


def test_a_kept_setting_is_pale_and_named_once() -> None:
    figure = three_ways(NOW, BEFORE, predicted_ms=600)
    assert {trace.opacity for trace in figure.data if trace.name == "A, kept"} == {0.35}
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert len(shown) == len(set(shown))
    assert {"A, kept", "theory", "simulated", "measured", "your prediction"} <= set(shown)
    assert summary_of(figure).startswith("B: now. Formula: mean")
    assert "A: before. Simulation: mean" in summary_of(figure)


def test_scales_stand_still_while_a_number_moves_a_little() -> None:
    slower = Numbers({mark: 1.1 * s for mark, s in NUMBERS.latencies_s.items()}, 0.06)
    moved = three_ways(replace(NOW, load_per_s=17, simulated=slower)).layout.to_plotly_json()
    still = three_ways(NOW).layout.to_plotly_json()
    for axis in ("xaxis", "yaxis", "yaxis2", "yaxis3"):
        assert moved[axis]["range"] == still[axis]["range"]


def test_a_queue_without_end_has_no_numbers() -> None:
    endless = Answers("too much", 30, 20, BY_LOAD, BY_LOAD, None, None, note="It never settles.")
    figure = three_ways(endless)
    assert "the queue has no end" in figure.layout.title.text
    assert summary_of(figure) == "Now: too much. It never settles."
    assert {trace.yaxis for trace in figure.data} == {"y"}
