"""The four kinds of change on real servers."""

import pytest

from devops_lab.changes import CHANGES, try_change, wrong_line
from devops_lab.processes import running


@pytest.mark.parametrize("kind", CHANGES)
def test_each_kind_is_done_unnoticed_broken_for_people_and_undone(kind: str) -> None:
    seen = try_change(kind).set_index("act")
    assert list(seen.index) == ["do", "break", "undo"]
    assert (seen["requests"] > 0).all()
    if kind in ("configuration", "deployment"):
        # A balancer whose configuration is changed may drop a request that is just coming.
        for well in ("do", "undo"):
            assert seen["error_share"]["break"] > seen["error_share"][well]
    else:
        assert seen["latency_p50_s"]["break"] > seen["latency_p50_s"]["do"]
    assert not running()


def test_a_wrong_line_hits_everybody_at_once_or_the_people_of_one_door() -> None:
    everywhere, staged = wrong_line(at_once=3).iloc[0], wrong_line(at_once=1).iloc[0]
    assert everywhere["users_hit"] > 1.5 * staged["users_hit"] > 0
    assert {everywhere["verdict"], staged["verdict"]} == {"roll back"}
    assert not running()


def test_a_wrong_kind_or_number_of_doors_is_named() -> None:
    with pytest.raises(ValueError, match="kind must be one of patch, resources"):
        try_change("firmware")
    with pytest.raises(ValueError, match="at_once must be at most 3"):
        wrong_line(4)
