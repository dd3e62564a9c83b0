"""The logs of running servers are there as soon as they are asked for."""

from devops_lab.layers import Layers
from devops_lab.log_runs import logs_of
from devops_lab.scenario import Client


def test_a_click_is_in_the_logs_of_all_its_servers_at_once() -> None:
    with Layers(client=Client()) as site:
        for click in range(5):
            site.front.get("/work", headers={"X-Request-Id": f"click-{click}"})
            followed = logs_of(site.layers).of_request(f"click-{click}")
            assert followed.server.tolist() == ["shop", "orders", "database"]
            assert followed.status.tolist() == [200, 200, 200]
