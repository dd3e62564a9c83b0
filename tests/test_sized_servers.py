"""Machines of a chosen size: which resource is in the way, by the formula and for real."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.resources import (
    PAGES,
    PHOTO_BYTES,
    PHOTOS,
    Machine,
    bottleneck,
    capacity_per_s,
    doubled,
)
from devops_lab.sized_servers import SizedServer, answered_per_s, full_speed, scaled_out

SMALL = Machine()
DOUBLED = doubled(SMALL)
machines = st.builds(
    Machine,
    cpu_share=st.floats(0.01, 1),
    memory_photos=st.integers(0, PHOTOS),
    disk_per_s=st.floats(1, 1000),
)


def test_each_page_has_a_resource_of_its_own_that_helps():
    helps = {
        page: [
            name
            for name, machine in DOUBLED.items()
            if capacity_per_s(machine, page) > capacity_per_s(SMALL, page)
        ]
        for page in PAGES
    }
    assert helps == {
        "login": ["twice the CPU"],
        # What is missing is memory; where it shows is the disk.
        "photo": ["twice the memory", "twice the disk"],
        "order": ["twice the disk"],
    }
    assert bottleneck(SMALL, "photo") == bottleneck(SMALL, "order") == "disk"
    assert capacity_per_s(DOUBLED["twice the memory"], "photo") > 2 * capacity_per_s(
        DOUBLED["as it is"], "photo"
    )


@given(machines, machines, st.sampled_from(list(PAGES)))
def test_a_machine_that_is_nowhere_smaller_answers_no_less(one, other, page):
    both = Machine(
        max(one.cpu_share, other.cpu_share),
        max(one.memory_photos, other.memory_photos),
        max(one.disk_per_s, other.disk_per_s),
    )
    assert capacity_per_s(both, page) >= capacity_per_s(one, page)


def test_real_machines_are_never_faster_than_their_sizes_and_the_right_resource_is_busy():
    measured = full_speed(DOUBLED).set_index(["machine", "page"])
    # Nothing can hurry a resource; what is slower is this computer's own doing.
    assert (measured["answered_per_s"] < 1.05 * measured["capacity_per_s"]).all()
    assert measured.loc[("as it is", "login"), "disk_busy"] == 0
    order = measured.loc[("as it is", "order")]
    assert order["disk_busy"] > order["cpu_busy"]
    # The wrong thing made bigger did nothing that anybody could measure.
    by_page = measured["answered_per_s"].unstack("page")
    login, order = by_page["login"], by_page["order"]
    assert login["twice the disk"] < 1.05 * capacity_per_s(SMALL, "login")
    assert order["twice the CPU"] < 1.05 * capacity_per_s(SMALL, "order")


def test_a_server_does_the_real_work():
    with SizedServer(Machine(cpu_share=1, memory_photos=3, disk_per_s=1000)) as server:
        first, again = server.get("/photo/5"), server.get("/photo/5")
        assert first.body == again.body != server.get("/photo/6").body
        assert len(first.body) == PHOTO_BYTES
        assert server.resources()["photos_from_memory"] == 0
        server.get("/photo/2")
        for _order in range(3):
            assert server.get("/order").json() == {"promised": True}
        assert (server.folder / "orders").read_text().splitlines()[-1] == "order 3"
        state = server.resources()
        assert (state["photos_from_memory"], state["orders"]) == (1, 3)
        assert state["memory_bytes"] == 3 * PHOTO_BYTES
        assert server.get("/login").json() == {"welcome": True}
        assert server.get("/photo/40").status == server.get("/cake").status == 404


def test_every_photo_is_shown_once_in_a_round():
    with SizedServer(Machine(cpu_share=1, memory_photos=10, disk_per_s=1000)) as server:
        answered_per_s(server, ["/photo"] * PHOTOS)
        assert server.resources()["photos_from_memory"] == 10


def test_more_machines_share_every_kind_of_work():
    table = scaled_out(SMALL, [1, 2], pages=["login", "order"])
    assert table["servers"].tolist() == [1, 1, 2, 2]
    assert (table["answered_per_s"] < 1.05 * table["capacity_per_s"]).all()


def test_what_is_no_machine_or_no_answer_is_said():
    with pytest.raises(ValueError, match="cpu_share must be at most 1, got 2"):
        Machine(cpu_share=2)
    with pytest.raises(ValueError, match="memory_photos must be at most 40"):
        SMALL.changed(memory_photos=80)
    with pytest.raises(ValueError, match="page must be one of login, photo, order, got 'cake'"):
        capacity_per_s(SMALL, "cake")
    with SizedServer() as server, pytest.raises(RuntimeError, match="answered with 404"):
        answered_per_s(server, ["/cake"])
