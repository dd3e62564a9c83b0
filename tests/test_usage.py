"""Real servers show each user one of two versions, and what users do can be counted."""

import subprocess
import sys

import psutil
import pytest
from required import require

from devops_lab.keyed_hash import place_of
from devops_lab.logs import Logs
from devops_lab.ramps import Ramp
from devops_lab.tables import USAGE
from devops_lab.usage import UsageShop
from devops_lab.usage_server import variant_of

USERS = [f"user-{number}" for number in range(10_000)]


def of_both(shop: UsageShop, user: str) -> list[tuple[str, str]]:
    """Who answered, and which version it showed, in a few visits."""
    answers = [shop.visit(user) for _visit in range(6)]
    return [(answer.headers["X-Served-By"], answer.headers["X-Variant"]) for answer in answers]


def test_all_servers_show_a_user_the_same_version_and_write_down_what_they_do() -> None:
    with UsageShop("prices") as shop:
        for user in ("mina", "jun", "sora", "ho"):
            seen = of_both(shop, user)
            assert {server for server, _variant in seen} == {"shop-1", "shop-2"}
            assert {variant for _server, variant in seen} == {variant_of(user, "prices", 0.5)}
        shop.order("mina")
        events = shop.events.lines()
    assert list(events.columns) == list(USAGE)
    mine = events[events["user"] == "mina"]
    assert mine["event"].tolist() == ["visit"] * 6 + ["order"]
    assert set(mine["server"]) == {"shop-1", "shop-2"}
    assert mine["request_id"].is_unique


def test_only_version_b_has_prices_and_none_has_them_where_both_are_the_same() -> None:
    b = next(user for user in USERS if variant_of(user, "prices", 0.5) == "B")
    a = next(user for user in USERS if variant_of(user, "prices", 0.5) == "A")
    with UsageShop("prices", servers=1) as shop:
        assert "₩6,500" in shop.visit(b).text
        assert "₩" not in shop.visit(a).text
    with UsageShop("prices", servers=1, b_has_prices=False) as shop:
        pages = [shop.visit(user).text.replace(user, "you") for user in (a, b)]
    assert pages[0] == pages[1]


def test_users_who_come_are_counted_once_each_by_their_version() -> None:
    with UsageShop("prices") as shop:
        shop.receive("monday", users=300, order_shares={"A": 0.0, "B": 1.0})
        for _again in range(3):
            shop.visit("monday-0001")
            shop.order("monday-0001")
        shop.receive("tuesday", users=20, order_shares={"A": 0.0, "B": 0.0})
        counted, later = shop.counted("monday"), shop.counted("tuesday")
    names = [f"monday-{number:04}" for number in range(1, 301)]
    saw_b = sum(variant_of(name, "prices", 0.5) == "B" for name in names)
    first_is_a = variant_of(names[0], "prices", 0.5) == "A"
    assert (counted["A"].users, counted["B"].users) == (300 - saw_b, saw_b)
    assert (counted["A"].successes, counted["B"].successes) == (int(first_is_a), saw_b)
    assert sum(version.users for version in later.values()) == 20
    assert not any(version.successes for version in later.values())


def test_who_sees_b_goes_on_seeing_it_when_the_share_grows() -> None:
    groups = [
        {user for user in USERS if variant_of(user, "prices", share_b) == "B"}
        for share_b in (0.0, 0.01, 0.05, 0.25, 0.5, 1.0)
    ]
    assert all(fewer < more for fewer, more in zip(groups, groups[1:], strict=False))
    assert [len(group) / len(USERS) for group in groups] == pytest.approx(
        [0, 0.01, 0.05, 0.25, 0.5, 1], abs=0.03
    )
    with UsageShop("prices", servers=1, share_b=0.0) as shop:
        b = min(groups[1])
        assert shop.visit(b).headers["X-Variant"] == "A"
        for share_b in (0.01, 1.0):
            shop.set_share(share_b)
            assert shop.visit(b).headers["X-Variant"] == "B"
        with pytest.raises(ValueError, match="For 5 % write 0.05"):
            shop.set_share(5)


def test_a_bad_version_climbs_until_its_harm_is_clear_and_a_good_one_to_the_top() -> None:
    ramp = Ramp(stages=(0.1, 0.3, 0.5), users=5)
    for b_orders, verdicts in ((0.1, ["go on", "roll back"]), (0.5, ["go on"] * 3)):
        with UsageShop("form", servers=1) as shop:
            climbed = list(shop.climb(ramp, users=100, order_shares={"A": 0.5, "B": b_orders}))
            events = shop.events.lines()
            shares = [server.share_b for server in shop.servers]
        assert [decision.verdict for _share, decision in climbed] == verdicts
        assert [share for share, _decision in climbed] == list(ramp.stages[: len(verdicts)])
        assert shares == [climbed[-1][1].share_b]
        assert set(events["user"].str.rsplit("-", n=1).str[0]) == {
            f"stage-{share}" for share, _decision in climbed
        }


def test_a_ramp_without_anybody_in_a_version_says_so() -> None:
    with UsageShop("form", servers=1) as shop, pytest.raises(ValueError, match="nobody saw one"):
        list(shop.climb(Ramp(stages=(0.0, 0.5)), users=3, order_shares={"A": 0.5, "B": 0.5}))


def test_another_experiment_draws_other_users() -> None:
    both = [place_of(user, "prices") < 0.5 and place_of(user, "photos") < 0.5 for user in USERS]
    assert sum(both) / len(USERS) == pytest.approx(0.25, abs=0.03)


def test_the_hash_is_the_same_in_every_process_and_pythons_is_not() -> None:
    told = "from devops_lab.keyed_hash import place_of; print(place_of('mina', 'prices'))"
    other = subprocess.check_output([sys.executable, "-c", told], text=True)
    assert float(other) == place_of("mina", "prices")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [("/", 400, "Say who asks"), ("/?user=a%20b", 400, "letters"), ("/x?user=mina", 404, "There")],
)
def test_a_visit_by_nobody_is_told_how_to_come(path: str, status: int, says: str) -> None:
    with UsageShop("prices", servers=1) as shop:
        answer = shop.balancer.get(path)
        assert (answer.status, says in answer.text) == (status, True)
        assert len(shop.events.lines()) == 0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: UsageShop("new prices"), "experiment must be 1 to 50 letters"),
        (lambda: UsageShop("가격"), "experiment must be 1 to 50 letters"),
        (lambda: UsageShop("prices", share_b=50), "For 50 % write 0.5"),
        (lambda: UsageShop("prices", servers=0), "servers must be at least 1"),
        (lambda: UsageShop("a").receive("day 1", users=1, order_shares={}), "group must be"),
        (lambda: UsageShop("a").receive("day", users=0, order_shares={}), "users must be"),
        (lambda: UsageShop("a").receive("day", users=1, order_shares={"A": 20}), "write 0.2"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_remedy(wrong, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        wrong()


def test_who_gets_an_error_goes_away_and_is_not_counted() -> None:
    with UsageShop("prices") as shop:
        shop.servers[0].kill()
        shop.receive("monday", users=40, order_shares={"A": 1.0, "B": 1.0})
        counts = shop.counted("monday").values()
    assert 0 < sum(version.users for version in counts) < 40
    assert all(version.successes <= version.users for version in counts)


def test_a_full_disk_costs_events_and_no_orders_and_doubles_nothing() -> None:
    require(hasattr(psutil.Process, "rlimit"), "A limit on files", "run the tests on Linux")
    with UsageShop("prices", servers=1) as shop:
        [server] = shop.servers
        shop.visit("before")
        # No file of the server may grow beyond this, as on a disk that is full.
        room = server.usage_file.stat().st_size + 20
        psutil.Process(server.pid).rlimit(psutil.RLIMIT_FSIZE, (room, psutil.RLIM_INFINITY))
        assert shop.order("meanwhile").status == 200
        psutil.Process(server.pid).rlimit(
            psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)
        )
        shop.visit("after")
        events = Logs(server.usage_file, schema=USAGE)
        assert events.lines()["user"].tolist() == ["before", "after"]
        assert events.broken() == 0
        lost = server.log()["error"].dropna()
    assert lost.tolist() == ["The event was not written: File too large."]
