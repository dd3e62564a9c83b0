"""A diagram of parts is worth what its formula says, also where a part stands in it twice."""

import itertools
import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab.availability import parallel, series
from devops_lab.blocks import Block, Chain, Copies, Part

NAMES = st.sampled_from("abcdef")
UPS = {name: 0.5 + number / 20 for number, name in enumerate("abcdef")}


def joined(blocks: st.SearchStrategy[Block]) -> st.SearchStrategy[Block]:
    parts = st.lists(blocks, min_size=1, max_size=3)
    copies = parts.flatmap(
        lambda each: st.integers(1, len(each)).map(lambda k: Copies("copies", each, k))
    )
    return parts.map(lambda each: Chain("chain", each)) | copies


DIAGRAMS = joined(st.recursive(NAMES.map(lambda name: Part(name, UPS[name])), joined, max_leaves=6))


def works(block: Block, is_up: dict[str, bool]) -> bool:
    match block:
        case Part():
            return is_up[block.name]
        case Chain():
            return all(works(part, is_up) for part in block.parts)
        case Copies():
            return sum(works(part, is_up) for part in block.parts) >= block.needed


@given(DIAGRAMS)
def test_the_whole_is_up_in_the_states_in_which_it_works(diagram):
    names = list({part.name for part in diagram.places()})
    states = [
        dict(zip(names, state, strict=True))
        for state in itertools.product((True, False), repeat=len(names))
    ]
    chances = [
        math.prod(UPS[name] if is_up else 1 - UPS[name] for name, is_up in state.items())
        for state in states
        if works(diagram, state)
    ]
    assert diagram.availability == pytest.approx(math.fsum(chances))


def test_a_shop_is_the_chain_of_its_copies():
    web = Copies("web", [Part("web 1", 0.99), Part("web 2", 0.98)])
    shop = Chain("shop", [Part("balancer", 0.999), web, Part("database", 0.995)])
    assert shop.availability == pytest.approx(series(0.999, parallel(0.99, 0.98), 0.995))
    assert shop.with_parts({"database": 1.0}) == pytest.approx(0.999 * (1 - 0.01 * 0.02))


def test_one_database_under_two_shops_is_one_database():
    database = Part("database", 0.9)
    shops = [Chain(name, [Part(name, 0.9), database]) for name in ("north", "south")]
    both = Copies("shops", shops)
    assert both.availability == pytest.approx(0.9 * (1 - 0.1 * 0.1))
    assert both.availability < parallel(0.81, 0.81)


def test_the_table_says_where_to_begin():
    shop = Chain("shop", [Part("balancer", 0.999), Part("database", 0.99)])
    table = shop.table().set_index("part")
    assert table["downtime"]["database"] == pd.Timedelta(days=3.65)
    assert table.iloc[:, -1].idxmin() == "database"
    assert table.iloc[:, -1]["database"] == table["downtime"]["balancer"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: Part("web", 99), "write 0.99"),
        (lambda: Chain("shop", []), "at least one"),
        (lambda: Copies("web", [Part("a", 0.9)], needed=2), "needed must be at most 1"),
        (lambda: Chain("x", [Part("a", 0.9), Part("a", 0.8)]), "a has two availabilities"),
        (lambda: Chain("x", [Part("a", 0.9)]).with_parts({"b": 1.0}), "part must be one of a"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, said):
    with pytest.raises(ValueError) as refused:
        wrong()
    assert said in str(refused.value)
