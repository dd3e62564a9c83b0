"""Log lines are asked where they lie, a request is followed, and what cannot be read is skipped."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from devops_lab.families import wait_until
from devops_lab.generated_logs import USER_LOG
from devops_lab.loadgen import send_load
from devops_lab.logs import Logs, QueryError, Tail, chance_to_meet, requests_to_meet_once, sampled
from devops_lab.servers import Server
from devops_lab.tables import ACCESS_LOG


def line(request_id: str, server: str = "shop", second: int = 0, status: int = 200) -> str:
    entry = {
        "time": f"2026-03-02T09:00:{second:02}.500000Z",
        "request_id": request_id,
        "server": server,
        "method": "GET",
        "path": "/",
        "status": status,
        "wait_s": 0.0,
        "service_s": 0.01,
        "bytes": 120,
        "error": None,
    }
    return json.dumps(entry) + "\n"


def test_a_request_is_followed_over_the_files_of_two_servers(tmp_path: Path) -> None:
    shop, warehouse = tmp_path / "it's the shop.jsonl", tmp_path / "warehouse.jsonl"
    shop.write_text(line("r1") + line("r2", second=3))
    warehouse.write_text(line("r1", "warehouse", second=1, status=500))
    logs = Logs(shop, warehouse)
    followed = logs.of_request("r1")
    assert followed.server.tolist() == ["shop", "warehouse"]
    assert followed.dtypes.astype(str).to_dict() == {n: c.dtype for n, c in ACCESS_LOG.items()}
    counted = logs.sql("SELECT status, count(*) AS requests FROM lines GROUP BY 1 ORDER BY 1")
    assert counted.values.tolist() == [[200, 2], [500, 1]]


def test_what_is_no_line_is_skipped_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    long = json.dumps({"path": "x" * 10_000_000})
    file.write_text(f'{line("r1")}not json\n["a"]\n{long}\n{line("r2")}{{"request_id": "r3')
    logs = Logs(file)
    assert logs.lines().request_id.tolist() == ["r1", "r2"]
    assert logs.broken() == 4


def test_logs_that_are_not_written_yet_have_no_lines(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    for name in ("none.jsonl", "empty.jsonl"):
        logs = Logs(tmp_path / name)
        assert list(logs.lines().columns) == list(ACCESS_LOG)
        assert logs.broken() == len(logs.lines()) == 0


def test_the_log_of_a_real_server_is_asked_while_it_is_written() -> None:
    with Server() as server:
        logs, tail = Logs(server.log_file), Tail(server.log_file)
        sent = send_load(server.url, rate_per_s=100, duration_s=0.5)
        assert wait_until(lambda: len(logs.lines()) >= len(sent), within_s=5)
        assert len(tail.new_lines()) == len(sent)
        assert tail.new_lines() == []
        server.get("/", headers={"X-Request-Id": "mine"})
        assert wait_until(lambda: "mine" in logs.lines().request_id.tolist(), within_s=5)
        assert len(logs.of_request("mine")) == 1
        (followed,) = tail.new_lines()
        assert json.loads(followed)["request_id"] == "mine"


def test_a_half_written_line_comes_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    tail = Tail(file)
    assert tail.new_lines() == []
    file.write_text("first\nsec")
    assert tail.new_lines() == ["first"]
    with file.open("a") as opened:
        opened.write("ond\nthird\n")
    assert tail.new_lines() == ["second", "third"]


def test_every_server_keeps_the_same_requests_and_about_the_share_asked_for() -> None:
    ids = [f"request-{number}" for number in range(20_000)]
    one, other = (pd.DataFrame({"request_id": ids, "status": status}) for status in (200, 500))
    assert sampled(one, 0.1).request_id.tolist() == sampled(other, 0.1).request_id.tolist()
    assert len(sampled(one, 0.1)) == pytest.approx(2_000, abs=5 * np.sqrt(20_000 * 0.1 * 0.9))
    assert len(sampled(one, 0)) == 0
    assert len(sampled(one, 1)) == len(one)
    assert len(sampled(other, 0, all_errors=True)) == len(other)


def test_a_rare_failure_hides_in_a_sample() -> None:
    kept, failing = 0.1, 0.02
    requests = round(requests_to_meet_once(kept, failing, chance=0.5))
    random = np.random.default_rng(1)
    met = random.binomial(requests, kept * failing, 20_000) > 0
    assert met.mean() == pytest.approx(0.5, abs=5 * np.sqrt(0.25 / 20_000) + 0.001)
    assert chance_to_meet(kept, failing, requests) == pytest.approx(0.5, abs=0.001)
    assert requests_to_meet_once(0, 0.5) == np.inf
    assert requests_to_meet_once(1, 1) == 1


def test_shares_given_in_percent_are_recognised() -> None:
    with pytest.raises(ValueError, match="For 10 % write 0.1"):
        sampled(pd.DataFrame({"request_id": [], "status": []}), 10)


def test_an_unknown_request_is_told_as_such() -> None:
    with pytest.raises(LookupError, match="No line is about the request 'r9'"):
        Logs("none.jsonl").of_request("r9")


@pytest.mark.parametrize("query", ["SELCT 1", "SELECT user FROM line", "SELECT users FROM lines"])
def test_wrong_sql_is_answered_with_the_table_and_its_columns(query: str) -> None:
    with pytest.raises(QueryError, match="lines; its columns are time, request_id") as told:
        Logs("none.jsonl").sql(query)
    assert "CREATE" not in str(told.value)


def test_another_schema_has_its_own_columns(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text(line("r1").replace("}", ', "user": "user-7"}'))
    assert Logs(file, schema=USER_LOG).lines().user.tolist() == ["user-7"]


def test_a_file_that_vanishes_takes_its_lines_with_it_and_nothing_else(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_text(line("r1"))
    other.write_text(line("r2"))
    logs, tail = Logs(one, other), Tail(one, other)
    assert len(tail.new_lines()) == len(logs.lines()) == 2
    one.unlink()
    assert logs.lines().request_id.tolist() == ["r2"]
    assert tail.new_lines() == []
    one.write_text("new\n")
    assert tail.new_lines() == ["new"]


def test_a_file_that_vanishes_between_two_looks_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([True])
    monkeypatch.setattr(Path, "exists", lambda _file: next(looks, False))
    assert Logs(tmp_path / "gone.jsonl").sql("SELECT * FROM lines").empty
