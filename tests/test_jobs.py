"""A heavy job: cut, counted by worker processes, gathered, and asked for until it is there."""

import json
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.baskets import count_pairs, cut
from devops_lab.client import Answer
from devops_lab.families import birth_of, is_alive, wait_until
from devops_lab.jobs import JobOffice, do_job
from devops_lab.processes import ProgramError


@pytest.fixture(scope="module")
def office() -> Iterator[JobOffice]:
    with JobOffice(worker_processes=2) as office:
        yield office


def send(office: JobOffice, job: object) -> Answer:
    return office.get("/jobs", method="POST", body=json.dumps(job))


def result(office: JobOffice, ticket: Answer) -> Answer:
    answer = ticket
    deadline = time.monotonic() + 60
    while answer.status == 202:
        assert time.monotonic() < deadline
        answer = office.get(ticket.headers["Location"])
    return answer


@given(orders=st.integers(0, 500), part=st.integers(1, 100))
def test_a_cut_job_has_every_order_once_in_parts_that_are_small_enough(
    orders: int, part: int
) -> None:
    parts = cut(orders, part)
    assert [n for first, stop in parts for n in range(first, stop)] == list(range(1, orders + 1))
    assert all(0 < stop - first <= part for first, stop in parts)


def test_a_job_is_accepted_with_its_address_and_ends_with_what_one_process_would_count(
    office: JobOffice,
) -> None:
    ticket = send(office, {"orders": 5000})
    assert ticket.status == 202
    assert ticket.json()["parts"] == 3
    done = result(office, ticket)
    [(pair, times)] = count_pairs(1, 5001).most_common(1)
    assert done.status == 200
    assert done.json()["bought_together"] == list(pair)
    assert done.json()["times"] == times
    # Asked again, it says the same.
    assert office.get(ticket.headers["Location"]).body == done.body


def test_one_order_is_a_job_too(office: JobOffice) -> None:
    done = result(office, send(office, {"orders": 1})).json()
    [(pair, times)] = count_pairs(1, 2).most_common(1) or [((), 0)]
    assert (done["bought_together"], done["times"]) == (list(pair), times)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"orders": 0}', "orders must be at least 1, got 0."),
        ('{"orders": -3}', "orders must be at least 1, got -3."),
        ('{"orders": 1000000000}', "orders must be at most 500,000, got 1000000000."),
        ('{"orders": NaN}', "orders must be a finite number, got nan."),
        ('{"orders": 2.5}', "orders must be a whole number, got 2.5."),
        ('{"orders": "many"}', "orders must be a number, got 'many'."),
        ('{"orders": true}', "orders must be a number, got True."),
        ("{}", 'A job is JSON such as {"orders": 60000}.'),
        ("[1]", 'A job is JSON such as {"orders": 60000}.'),
        ("", 'A job is JSON such as {"orders": 60000}.'),
        ("[" * 60_000, 'A job is JSON such as {"orders": 60000}.'),
    ],
)
def test_a_job_that_cannot_be_done_is_refused_in_one_line(
    office: JobOffice, body: str, said: str
) -> None:
    answer = office.get("/jobs", method="POST", body=body)
    assert (answer.status, answer.text.strip()) == (400, said)


def test_other_addresses_and_methods_are_told_what_is_possible(office: JobOffice) -> None:
    assert office.get("/jobs").status == 405
    assert office.get("/jobs").headers["Allow"] == "POST"
    assert "POST one to /jobs" in office.get("/jobs/999").text
    assert office.get("/").status == office.get("/jobs/x").status == 404
    assert office.get("/healthz").status == 200


def test_too_many_jobs_at_once_are_sent_away() -> None:
    with JobOffice(worker_processes=1) as office:
        answers = [send(office, {"orders": 100_000}).status for _job in range(9)]
    assert answers == [202] * 8 + [503]


def test_a_lost_worker_is_said_and_the_next_job_is_done() -> None:
    with JobOffice(worker_processes=1) as office:
        ticket = send(office, {"orders": 200_000})
        worker = max(psutil.Process(office.pid).children(), key=lambda p: p.memory_info().rss)
        worker.kill()
        lost = result(office, ticket)
        assert lost.status == 500
        assert lost.json()["problem"].startswith("A part of the work was lost")
        assert result(office, send(office, {"orders": 1000})).status == 200


@pytest.mark.parametrize("end", [JobOffice.stop, JobOffice.kill])
def test_a_stopped_or_killed_office_leaves_no_worker_behind(
    end: Callable[[JobOffice], None],
) -> None:
    office = JobOffice(worker_processes=2).start()
    send(office, {"orders": 200_000})
    processes = [psutil.Process(office.pid), *psutil.Process(office.pid).children(recursive=True)]
    births = [birth_of(process.pid) for process in processes]
    assert len(births) >= 3
    end(office)
    assert wait_until(lambda: not any(map(is_alive, births)), within_s=20)
    office.stop()


def test_a_job_can_be_done_in_one_call_and_says_what_was_wrong() -> None:
    assert do_job(orders=3000, worker_processes=1)["orders"] == 3000
    with pytest.raises(ProgramError, match="orders must be at least 1"):
        do_job(orders=0, worker_processes=1)
    with pytest.raises(ValueError, match="worker_processes must be at most 16, got 10000"):
        do_job(orders=1, worker_processes=10_000)
