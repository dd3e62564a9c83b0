"""Sessions: what a visitor sees when a server is added, and when one dies."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from devops_lab.client import ask
from devops_lab.processes import ProgramError
from devops_lab.sessions import Shop, ShopServer, Visitor
from devops_lab.signed_cookie import readable, signed, verified

texts = st.text(max_size=40)


def test_one_server_knows_its_visitor_and_with_a_second_one_every_second_click_logs_out():
    with Shop() as shop:
        mina = Visitor(shop, "Mina")
        assert mina.click().status == 401
        assert mina.log_in().status == 303
        assert mina.clicks(4)["is_known"].all()
        shop.add_server()
        # A stranger's request takes a turn too, so it is the turns of several visits.
        visits = [mina.clicks(6) for _visit in range(5)]
        for clicks in visits:
            assert clicks["is_known"].equals(clicks["server"] == "shop-1")
        turns = [visit["is_known"].tolist() for visit in visits]
        assert turns.count([True, False] * 3) + turns.count([False, True] * 3) >= 4
        assert shop.link().data.startswith(f'<a href="{shop.balancer.url}"')
    assert not any(server.is_running for server in shop.servers)


@pytest.mark.parametrize("sessions", ["store", "cookie"])
def test_with_the_session_outside_any_server_will_do_and_a_death_costs_nothing(sessions):
    with Shop(sessions, servers=2) as shop:
        mina, jun = Visitor(shop, "Mina"), Visitor(shop, "Jun")
        for visitor, bread in ((mina, "moon-rye"), (jun, "salt-roll")):
            visitor.log_in()
            assert visitor.put(bread).status == 303
            assert visitor.clicks(4)["is_known"].all()
        assert set(mina.clicks(4)["server"]) == {"shop-1", "shop-2"}
        shop.servers[0].kill()
        assert mina.basket() == ["moon-rye"]
        assert jun.basket() == ["salt-roll"]
        assert mina.put("milk-loaf").status == 303
        assert mina.basket() == ["moon-rye", "milk-loaf"]


def test_sticky_sessions_hold_until_the_server_dies_and_then_its_visitors_lose_all():
    with Shop(servers=2, sticky=True) as shop:
        visitors = [Visitor(shop, f"Visitor {number}") for number in range(6)]
        for visitor in visitors:
            visitor.log_in()
            visitor.put("moon-rye")
            clicks = visitor.clicks(4)
            assert clicks["is_known"].all()
            assert clicks["server"].nunique() == 1
        falls = shop.server_of(visitors[0].click())
        at_first = [shop.server_of(visitor.click()) is falls for visitor in visitors]
        falls.kill()
        baskets = [visitor.basket() for visitor in visitors]
        assert baskets == [None if lost else ["moon-rye"] for lost in at_first]


def test_the_store_is_a_part_that_everybody_needs():
    with Shop("store") as shop:
        mina = Visitor(shop)
        mina.log_in()
        assert ask(shop.store.port, "/sessions/" + mina.session_cookie).status == 403
        shop.store.kill()
        assert mina.click().status == 503
        assert "store does not answer" in mina.click().text


def test_servers_with_different_secrets_do_not_believe_each_other():
    with Shop("cookie") as shop:
        shop.add_server(ShopServer("cookie", secret="another", name="other"))
        mina = Visitor(shop)
        made_by = mina.log_in().headers["X-Served-By"]
        clicks = mina.clicks(4)
        assert clicks["is_known"].equals(clicks["server"] == made_by)
        assert clicks["server"].nunique() == 2


@pytest.mark.parametrize("sessions", ["memory", "store", "cookie"])
def test_a_cookie_that_was_made_up_or_changed_opens_no_door(sessions):
    with Shop(sessions) as shop:
        mina = Visitor(shop)
        mina.log_in()
        honest = mina.session_cookie
        for forged in ("0" * 32, honest[:-1], honest[::-1], "", "../..", '"'):
            mina.session_cookie = forged
            assert mina.click().status == 401, forged
        mina.session_cookie = honest
        assert mina.click().status == 200


def test_a_signed_cookie_is_readable_by_all_and_changeable_by_nobody():
    cookie = signed({"name": "Mina", "is_baker": False}, "moon")
    assert readable(cookie) == {"name": "Mina", "is_baker": False}
    forged = signed({"name": "Mina", "is_baker": True}, "guess").partition(".")[0]
    assert verified(f"{forged}.{cookie.partition('.')[2]}", "moon") is None


@given(st.dictionaries(texts, texts, max_size=3), texts, texts)
def test_only_the_secret_that_signed_verifies(session, secret, other):
    # A short key is filled up with zeros, so one that ends in them is the same key (RFC 2104).
    assume("\0" not in secret + other)
    cookie = signed(session, secret)
    assert verified(cookie, secret) == session
    assert (verified(cookie, other) == session) == (other == secret)


@given(st.text())
def test_what_is_no_cookie_of_ours_is_none(cookie):
    assert verified(cookie, "moon") is None


def test_the_page_says_who_made_it_and_what_it_does_not_take():
    with Shop() as shop:
        mina = Visitor(shop, "Mina Kim")
        assert "Please log in" in mina.click().text
        mina.log_in()
        page = mina.click().text
        assert "Good morning, Mina Kim!" in page
        assert "This page was made by <b>shop-1</b>" in page
        assert mina.put("cake").status == 400
        assert Visitor(shop, "<script>").log_in().status == 400
        assert Visitor(shop, "민아").log_in().status == 303
        for _bread in range(20):
            assert mina.put("moon-rye").status == 303
        assert mina.put("moon-rye").status == 400


def test_a_shop_that_cannot_be_is_refused():
    with pytest.raises(ProgramError, match="has not been started"):
        Shop().get("/")
    with pytest.raises(ValueError, match="servers must be at most 8, got 9"):
        Shop(servers=9)
    with pytest.raises(ValueError, match="sessions must be one of memory, store, cookie"):
        ShopServer("pocket")
    with pytest.raises(ValueError, match="store must be a SessionStore"):
        ShopServer("store")
    with pytest.raises(ValueError, match="secret must be a text"):
        ShopServer("cookie")
