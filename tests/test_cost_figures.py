"""The figure of speed and price: the fleet it marks is the one that scaling finds."""

import pytest

from devops_lab.cost_figures import cost_against_latency
from devops_lab.figures import summary_of
from devops_lab.scaling import MachineSize, cheapest_fleet, fleets

SIZES = [
    MachineSize("small", 2, 0.05),
    MachineSize("medium", 4, 0.11, speed=1.2),
    MachineSize("large", 8, 0.26, speed=1.6),
]


@pytest.mark.parametrize("target_s", [0.12, 0.16, 0.2, 0.5])
def test_the_marked_fleet_is_the_cheapest_in_time(target_s: float) -> None:
    figure = cost_against_latency(fleets(150, 0.06, SIZES), target_s, predicted_price=0.4)
    best = cheapest_fleet(150, 0.06, target_s, SIZES)
    *by_size, ring = figure.data
    assert [trace.name for trace in by_size] == ["small", "medium", "large"]
    assert len({trace.marker.symbol for trace in by_size}) == 3
    assert ring.name == "cheapest in time"
    assert (ring.x[0], ring.y[0]) == pytest.approx((1000 * best.latency_s, best.price_per_hour))
    finding = figure.layout.title.text.replace("<br>", " ")
    assert finding.endswith(
        f"{best.price_per_hour:.2f} € an hour: {best.machines} × {best.size.name}"
    )
    assert summary_of(figure).startswith(finding)
    assert {"your prediction", "too slow ▸"} <= {a.text for a in figure.layout.annotations}
    assert figure.layout.shapes[0].x0 == 1000 * target_s


def test_where_no_fleet_is_fast_enough_none_is_marked() -> None:
    figure = cost_against_latency(fleets(150, 0.06, SIZES), 0.05)
    assert figure.layout.title.text == "No fleet answers 95 of 100 requests within 50 ms"
    assert [trace.name for trace in figure.data] == ["small", "medium", "large"]


def test_fleets_that_cannot_keep_up_are_left_out() -> None:
    table = fleets(150, 0.06, SIZES, most_machines=4)
    assert set(table["size"]) == {"medium", "large"}
    assert (table["utilisation"] < 1).all()
    with pytest.raises(ValueError, match=r"at least 1, got 0\. Allow more machines"):
        cost_against_latency(table.head(0), 0.2)
