"""The dashboards of lesson 14, driven without a browser, on real servers."""

from driving import drive, problems

from devops_lab import processes
from devops_lab.families import wait_until
from devops_lab.log_dashboards import LiveTail, live_tail, sampling_and_cost


def test_the_live_tail_follows_the_servers_and_ends_with_the_run() -> None:
    dashboard = live_tail()
    assert problems(dashboard) == []
    dashboard.controls["database_fail"].value = 50
    dashboard.button.click()
    try:
        assert wait_until(lambda: "in database" in dashboard.live.summary, within_s=30)
        assert wait_until(lambda: "chosen by error_share" in dashboard.tail_box.value, within_s=30)
        dashboard.controls["orders_fail"].value = 50
        assert wait_until(lambda: "in orders" in dashboard.live.summary, within_s=30)
        dashboard.controls["kept"].value = 0.1
        assert wait_until(lambda: dashboard.tail_box.value.count("shop") < 3, within_s=30)
        assert problems(dashboard) == []
    finally:
        dashboard.button.click()
    assert not dashboard.is_running
    assert not any(program.name == "orders" for program in processes.running())
    assert "Start sends" in dashboard.state.value


def test_a_line_that_cannot_be_read_is_counted_and_the_rest_is_shown() -> None:
    dashboard = LiveTail()
    dashboard.button.click()
    try:
        assert wait_until(lambda: "No lines" not in dashboard.live.summary, within_s=30)
        log = dashboard._site.front.log_file
        with log.open("a") as opened:
            opened.write("not json\n[1]\n{}\n" + '{"path": "' + 10_000_000 * "x" + '"}\n')
        assert wait_until(lambda: dashboard.broken >= 4, within_s=30)
        assert problems(dashboard) == []
    finally:
        dashboard.button.click()


def test_the_sampling_dashboard_bears_every_setting() -> None:
    dashboard = sampling_and_cost()
    assert drive(dashboard, random_moves=15) == []
    dashboard.controls["kept"].value = 0.1
    dashboard.controls["one_failure_in"].value = 10_000
    dashboard.controls["requests_per_s"].value = 100
    chances = []
    for keep in dashboard.controls["keep"].options:
        dashboard.controls["keep"].value = keep
        chances.append(dashboard.live.summary.rpartition("see the failure ")[2])
    share_of_all, with_every_error = (float(chance.split(" %")[0]) for chance in chances)
    assert share_of_all < with_every_error == 100
