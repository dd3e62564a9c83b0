"""Pages that need other servers: whole, with a gap, broken, or filled in when a job is done."""

import re
from collections.abc import Iterator

import pytest

from devops_lab.families import wait_until
from devops_lab.jobs import JobOffice
from devops_lab.pages import (
    PATIENCE_S,
    PURPOSES,
    GatheredPage,
    JobPage,
    PageWithReport,
    part,
    visit,
)
from devops_lab.processes import stop_all
from devops_lab.servers import Server

THREE = ("menu", "pictures", "orders")


@pytest.fixture
def parts() -> Iterator[list[Server]]:
    yield [part(purpose).start() for purpose in THREE]
    stop_all()


def test_a_page_has_a_resource_of_each_server(parts: list[Server]) -> None:
    with Server(route=GatheredPage(parts)) as front:
        page = front.get("/").text
    assert "달빛 호밀빵" in page
    assert "<svg" in page
    assert "Your order 42" in page
    # Once when the route was tried, and once for the page.
    assert [server.log()["path"].tolist() for server in parts] == [
        [PURPOSES[server.name].path] * 2 for server in parts
    ]


def test_a_page_that_needs_all_breaks_with_any_and_one_that_may_miss_it_has_a_gap(
    parts: list[Server],
) -> None:
    strict, tolerant = GatheredPage(parts), GatheredPage(parts, may_miss=["pictures"])
    parts[1].kill()
    assert strict("/")[0] == 502
    status, _label, page = tolerant("/")
    assert status == 200
    assert "The pictures cannot be shown just now." in page
    assert "달빛 호밀빵" in page
    parts[0].kill()
    assert tolerant("/")[0] == 502


def test_a_page_does_not_need_what_it_does_not_ask_for(parts: list[Server]) -> None:
    page = GatheredPage(parts)
    parts[2].kill()
    assert [page(path)[0] for path in ("/1", "/2", "/3")] == [200, 200, 502]


def test_a_frozen_server_costs_a_visitors_patience_and_no_more(parts: list[Server]) -> None:
    for server in parts[:2]:
        server.freeze()
    with Server(route=PageWithReport([parts[2]]), name="front") as front:
        assert front.get("/").status == 200
    # Both are waited for at once; a route that took twice the patience would be ended.
    assert 2 * PATIENCE_S >= 1
    gathered = GatheredPage([parts[2], *parts[:2]], may_miss=["menu", "pictures"])
    with Server(route=gathered, name="front") as front:
        assert front.get("/").status == 200


@pytest.mark.parametrize("path", ["/0", "/4", "/-1", "/x", "/1/2", "/²", "//", "/%31"])
def test_a_page_that_is_not_there_is_a_404(parts: list[Server], path: str) -> None:
    assert GatheredPage(parts)(path)[0] == 404


def test_parts_and_gaps_have_to_be_known_purposes(parts: list[Server]) -> None:
    with pytest.raises(ValueError, match="purpose must be one of menu, pictures"):
        part("cakes")
    with pytest.raises(ValueError, match=r"may_miss must be one of menu, pictures, orders, got"):
        GatheredPage(parts, may_miss=["sign"])
    with pytest.raises(ValueError, match="part must be one of"), Server(name="cakes") as other:
        GatheredPage([other])


def test_visits_tell_of_each_page_and_servers_fail_at_different_ones() -> None:
    servers = [part(purpose, error_share=0.3).start() for purpose in THREE[:2]]
    with Server(route=GatheredPage(servers)) as front:
        visits = visit(front, needs=[2, 1], pages=60)
    stop_all()
    assert visits.groupby("servers")["page"].count().tolist() == [60, 60]
    whole = visits.groupby("servers")["is_whole"].mean()
    # 0.7 and 0.49, give or take two standard errors; were the draws alike, both would be 0.7.
    assert abs(whole[1] - 0.7) < 0.12
    assert abs(whole[2] - 0.49) < 0.13


@pytest.mark.parametrize("pages", [0, -1, 1.5, float("nan"), 10**9])
def test_visits_are_a_sensible_number(pages: float) -> None:
    with pytest.raises(ValueError, match="pages must be"):
        visit(Server(), needs=[1], pages=pages)


def test_a_page_shows_a_job_that_an_office_does_and_asks_again_by_itself() -> None:
    with JobOffice() as office, Server(route=JobPage(office, orders=4_000)) as front:
        assert '<form method="post" action="jobs">' in front.get("/").text
        ticket = front.get("/jobs", method="POST")
        assert ticket.status == 202
        assert '<meta http-equiv="refresh" content="1; url=jobs/1">' in ticket.text
        assert wait_until(lambda: front.get("/jobs/1").status == 200, within_s=60)
        assert re.search(
            r"Moon rye \(달빛 호밀빵\) and .* together [\d,]+ times in 4,000",
            front.get("/jobs/1").text,
        )
        assert [front.get(path).status for path in ("/jobs/2", "/metrics/", "/jobs/x")] == [404] * 3
        office.kill()
        assert front.get("/jobs/1").status == 502


def test_a_page_says_why_there_is_no_report() -> None:
    with JobOffice() as office, Server(route=JobPage(office, orders=0)) as front:
        answer = front.get("/jobs", method="POST")
    assert answer.status == 400
    assert "orders must be at least 1, got 0" in answer.text
