"""The heavy job over a queue: a dead worker's part is done by another one."""

from devops_lab.baskets import count_pairs
from devops_lab.brokers import Broker, any_broker
from devops_lab.families import wait_until
from devops_lab.message_jobs import PairsJob, count_part
from devops_lab.messages import Queue, Worker, crew

PATIENCE_S = 60


def jobs(broker: Broker, what: str) -> list[str]:
    events = broker.events()
    return events.loc[events["what"] == what, "job"].tolist()


def test_a_job_whose_worker_dies_ends_with_what_one_process_would_count() -> None:
    with any_broker() as broker:
        parts = Queue(broker, "parts", lease_s=1.0)
        job = PairsJob(parts, orders=5000)
        assert job.reply() == (202, {"parts": 3, "done": 0})
        with Worker(parts, count_part, name="a", dies_at="written") as a:
            assert wait_until(lambda: not a.is_running, within_s=PATIENCE_S)
        assert job.reply() == (202, {"parts": 3, "done": 1})
        [counted] = jobs(broker, "written")
        with crew(parts, count_part, "bc"):
            parts.wait(PATIENCE_S)
        [(pair, times)] = count_pairs(1, 5001).most_common(1)
        assert job.reply() == (200, {"bought_together": list(pair), "times": times})
        # The part that the dead worker had counted was counted again, and refused.
        assert counted in jobs(broker, "refused")
        assert len(jobs(broker, "written")) == 3
        # Sent again, no part is new: the ids are known.
        PairsJob(parts, orders=5000)
        assert parts.counts()["waiting"] == 0


def test_a_job_that_loses_a_part_for_good_says_which() -> None:
    def fails_at_the_second(part, desk):
        if part["first"] > 1:
            raise ValueError("no memory")
        count_part(part, desk)

    with any_broker() as broker:
        parts = Queue(broker, "parts", most_deliveries=1)
        job = PairsJob(parts, orders=4000)
        with Worker(parts, fails_at_the_second):
            parts.wait(PATIENCE_S)
        assert job.reply() == (500, {"problem": "These parts were set aside: pairs 2."})
