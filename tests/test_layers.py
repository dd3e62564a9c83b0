import pytest

from devops_lab.families import wait_until
from devops_lab.layers import Layers, watch_an_outage
from devops_lab.loadgen import send_load
from devops_lab.processes import running
from devops_lab.retries import tries_at_the_bottom
from devops_lab.scenario import Client


def test_a_click_goes_down_and_its_answer_comes_up_with_one_id_everywhere() -> None:
    with Layers(service_time_s=0.01) as site:
        answer = site.front.get("/work", headers={"X-Request-Id": "click-1"})
        logs = [server.log() for server in site.layers]
    assert (answer.status, answer.json()["server"]) == (200, "shop")
    click = [log.query("request_id == 'click-1'") for log in logs]
    assert [len(seen) for seen in click] == [1, 1, 1]
    assert click[0]["service_s"].item() >= 0.01
    assert not running()


def test_every_layer_multiplies_the_tries() -> None:
    client = Client(attempts=3)
    with Layers(client=client, error_share=1.0) as site:
        attempts = send_load(site.front.url + "work", 20, 0.5, arrivals="constant", client=client)
        asked = site.asked()
    assert set(attempts["status"]) == {502}
    assert asked["requests"].tolist() == [30, 90, 270]
    assert asked["requests"].iloc[-1] == 10 * tries_at_the_bottom(attempts=3, layers=3)


def test_a_layer_can_be_told_to_ask_in_another_way_while_it_runs() -> None:
    with Layers(client=Client(attempts=4), error_share=1.0) as site:
        site.front.get("/work")
        site.set_client(Client())
        site.front.get("/work")
        assert site.asked()["requests"].tolist() == [2, 5, 17]


def test_a_layer_that_gets_no_answer_says_so_with_a_504() -> None:
    with Layers(client=Client(timeout_s=0.2)) as site:
        site.bottom.freeze()
        assert site.layers[-2].get("/work").status == 504
        site.bottom.resume()


def test_a_deadline_is_passed_on_to_the_last_layer_which_drops_what_is_late() -> None:
    with Layers(client=Client(attempts=3), service_time_s=0.5) as site:
        client = Client(timeout_s=0.8, deadline_s=0.8)
        attempts = send_load(site.front.url + "work", arrivals=[0.0] * 8, client=client)
        wait_until(lambda: len(site.bottom.log()) == 8, within_s=20)
        log = site.bottom.log()
    assert 1 <= (attempts["outcome"] == "ok").sum() <= 2
    # One after the other for half a second each: the third would begin when all have gone.
    assert (log["status"] == 504).sum() >= 5


def test_overload_stays_after_its_cause_has_gone_until_the_tries_stop() -> None:
    """A bottom for 100/s that gets 10 clicks/s is frozen for a moment; tries keep it full."""
    storm = Client(timeout_s=0.3, attempts=3)
    with Layers(client=storm, service_time_s=0.01) as site:
        clicks, asked_s = watch_an_outage(site, storm, duration_s=5)
        site.set_client(Client(timeout_s=0.3))
        calm, few_s = watch_an_outage(site, Client(timeout_s=0.3), duration_s=5)
    last = clicks["intended_s"] > 3.5
    assert (clicks.loc[last, "outcome"] == "ok").mean() < 0.3
    assert (asked_s > 3.5).sum() > 1.5 * 100
    assert (calm.loc[calm["intended_s"] > 3.5, "outcome"] == "ok").mean() > 0.7
    assert len(few_s) < 100


def test_an_outage_is_watched_to_its_end() -> None:
    with Layers() as site, pytest.raises(ValueError, match="duration_s must be above 2.0, got 2"):
        watch_an_outage(site, Client(), duration_s=2)


def test_layers_without_a_name_of_their_own_are_refused() -> None:
    with pytest.raises(ValueError, match="a name of its own"):
        Layers(["shop", "shop"])
    with pytest.raises(ValueError, match="layers must be at least 1"):
        Layers([])
