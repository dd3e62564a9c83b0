import json
import re
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from truth import expected, truth

from devops_lab.routing import Routed, Router, nginx_location


def router(*rules: str) -> Router:
    """A router whose endpoints are the rules themselves."""
    site = Router()
    for rule in rules:
        site.add(rule, rule)
    return site


def answered(site: Router, path: str, method: str = "GET") -> Routed:
    """The decision after redirects, of which one is always enough."""
    routed = site.match(path, method)
    return site.match(routed.location, method) if routed.status == 308 else routed


# What the frameworks publish


# Our rules have one form, so these are left out: a signed number (no order of the shop is
# negative), and a rule that switches the redirects off (one path, one spelling).
def ours(rules: list[list]) -> Router:
    site = Router()
    for text, endpoint, *options in rules:
        switched_off = {"merge_slashes": False} in options
        if "(signed=True)" not in text and not switched_off:
            site.add(text, endpoint)
    return site


@truth(
    "werkzeug-basic",
    "werkzeug-complex",
    "werkzeug-greedy",
    "werkzeug-merge",
    "werkzeug-multi",
    "werkzeug-neg",
    "werkzeug-newline",
    "werkzeug-noslash",
    "werkzeug-path",
    "werkzeug-static",
    "werkzeug-weight",
)
def test_the_router_decides_as_werkzeug(case):
    given = case["inputs"]
    routed = ours(given["rules"]).match(given["path"], given["method"])
    decided = {
        "status": routed.status,
        "endpoint": routed.endpoint,
        "args": routed.arguments,
        "redirect": f"http://example.org{routed.location}",
    }
    published = expected(case)
    assert {name: decided[name] for name in published} == published


# The routes that starlette's cases describe in words, as rules of ours. (Starlette takes the first
# route that fits, so that its /users/nomatch is a username; we take the fixed one, as werkzeug.)
STARLETTE = [
    ("/", "GET", lambda: "Hello, world"),
    ("/users/", "GET", lambda: "All users"),
    ("/users/me", "GET", lambda: "User fixed me"),
    ("/users/<username>", "GET", lambda username: f"User {username}"),
    ("/users/<username>:disable", "PUT", lambda username: f"User {username} disabled"),
    ("/users/nomatch", "GET", lambda: "User fixed no match"),
    ("/static/<path:file>", "GET", lambda file: "xxxxx"),
    ("/func", "GET", lambda: "Hello, world!"),
    ("/func", "POST", lambda: "Hello, POST!"),
    ("/int/<int:param>", "GET", lambda param: as_json(int=param)),
    ("/float/<float:param>", "GET", lambda param: as_json(float=param)),
    ("/path/<path:param>", "GET", lambda param: as_json(path=param)),
    ("/uuid/<uuid:param>", "GET", lambda param: as_json(uuid=str(param))),
    ("/path-with-parentheses(<int:param>)", "GET", lambda param: as_json(int=param)),
]


def as_json(**values: object) -> str:
    return json.dumps(values, separators=(",", ":"))


@truth("starlette-405", "starlette-fixed", "starlette-mount", "starlette-root", "starlette-uuid")
def test_the_router_answers_as_starlette(case):
    site = Router()
    for rule, method, endpoint in STARLETTE:
        site.add(rule, endpoint, methods=[method])
    routed = answered(site, case["inputs"]["path"], case["inputs"].get("method", "GET"))
    got = {
        "status": routed.status,
        "allow": list(routed.allow),
        "body": routed.endpoint(**routed.arguments) if routed.endpoint else None,
    }
    published = expected(case)
    assert {name: got[name] for name in published} == published


@truth("starlette-float")
def test_a_number_with_a_hyphen_is_no_float_to_starlette_and_us(case):
    site = router(case["inputs"]["pattern"].replace("{param:float}", "<float:param>"))
    assert site.match(case["inputs"]["path"]).status == expected(case)["status"]


@truth("starlette-redirect")
def test_a_slash_too_many_is_redirected_by_starlette_and_not_found_by_werkzeug_and_us(case):
    assert expected(case) == {"status": 307, "location_path": "/users/tomchristie"}
    assert router("/users/<username>").match(case["inputs"]["path"]) == Routed(404)


@truth("nginx-loc")
def test_nginx_chooses_the_location_that_its_rules_say(case):
    locations = [tuple(location) for location in case["inputs"]["locations"]]
    assert nginx_location(locations, case["inputs"]["uri"]) == expected(case)["matched"]


# Rules


@pytest.mark.parametrize(
    ("rule", "path", "arguments"),
    [
        ("/orders/<int:number>", "/orders/007", {"number": 7}),
        ("/prices/<float:price>", "/prices/2.50", {"price": 2.5}),
        ("/cakes/<name>", "/cakes/%EB%8B%AC%20cake", {"name": "달 cake"}),
        ("/cakes/<str:name>", "/cakes/50%25", {"name": "50%"}),
        ("/files/<path:file>", "/files/a/b.txt", {"file": "a/b.txt"}),
        ("/files/<path:file>/edit", "/files/a/b/edit", {"file": "a/b"}),
        ("/v<int:major>.<int:minor>", "/v1.2", {"major": 1, "minor": 2}),
        ("/<uuid:id>", f"/{UUID(int=7)}", {"id": UUID(int=7)}),
        ("/메뉴/<name>", "/%EB%A9%94%EB%89%B4/x", {"name": "x"}),
    ],
)
def test_a_parameter_is_cut_out_of_the_path_and_converted(rule, path, arguments):
    assert router(rule).match(path) == Routed(200, rule, arguments)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/menu", "/Menu"),
        ("/menu", "/menu\n"),
        ("/menu", "/menu%0a"),
        ("/menu", "menu"),
        ("/menu", ""),
        ("/menu.html", "/menu_html"),
        ("/orders/<int:number>", "/orders/<int:number>"),
        ("/orders/<int:number>", "/orders/-7"),
        ("/orders/<int:number>", "/orders/٧"),
        ("/orders/<int:number>", "/orders/7%0a"),
        ("/orders/<int:number>", "/orders/" + "9" * 5_000),
        ("/orders/<name>", "/orders/"),
        ("/orders/<name>", "/orders/a%2fb"),
        ("/prices/<float:price>", "/prices/2"),
        ("/files/<path:file>", "/files/"),
        ("/<uuid:id>", "/" + UUID(int=7).hex),
    ],
)
def test_what_only_resembles_a_rule_is_not_found(rule, path):
    assert router(rule).match(path) == Routed(404)


RULES = [
    "/orders/new",
    "/orders/<int:number>",
    "/orders/<uuid:number>",
    "/orders/<name>",
    "/orders/order-<name>",
    "/orders/<path:rest>",
    "/orders/<path:rest>/edit",
    "/<kind>/new",
    "/<path:everything>",
]


@given(st.permutations(RULES))
def test_the_more_special_rule_wins_in_whatever_order_they_were_added(rules):
    site = router(*rules)
    first = {
        "/orders/new": "/orders/new",
        "/orders/7": "/orders/<int:number>",
        f"/orders/{UUID(int=7)}": "/orders/<uuid:number>",
        "/orders/kim": "/orders/<name>",
        "/orders/order-7": "/orders/order-<name>",
        "/orders/7/edit": "/orders/<path:rest>/edit",
        "/orders/7/pay": "/orders/<path:rest>",
        "/cakes/new": "/<kind>/new",
        "/cakes/old": "/<path:everything>",
    }
    assert {path: site.match(path).endpoint for path in first} == first


def test_of_two_rules_that_weigh_the_same_the_first_wins():
    assert router("/<a>", "/<b>").match("/x").arguments == {"a": "x"}
    site = router("/menu")
    site.add("/menu", "second")
    assert site.match("/menu").endpoint == "/menu"


def test_a_method_that_no_rule_of_the_path_has_is_told_which_there_are():
    site = Router()
    site.add("/orders", "list")
    site.add("/orders", "new", methods=["post"])
    site.add("/<page>", "page", methods=["DELETE"])
    assert site.match("/orders", "POST").endpoint == "new"
    assert site.match("/orders", "HEAD").endpoint == "list"
    assert site.match("/orders", "DELETE") == Routed(200, "page", {"page": "orders"})
    assert site.match("/orders", "PUT") == Routed(405, allow=("DELETE", "GET", "HEAD", "POST"))
    assert site.match("/no/such/page", "PUT") == Routed(404)


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/menu", "/menu/"),
        ("//menu", "/menu/"),
        ("/menu//", "/menu/"),
        ("//bread///white", "/bread/white"),
        ("/bread//7%3F", "/bread/7%3F"),
        ("//orders/x%0d%0aSet-Cookie:%20a", "/orders/x%0D%0ASet-Cookie:%20a"),
        ("/%2Fbread/white", "/bread/white"),
        ("/folder/a/b", "/folder/a/b/"),
        ("/folder/a//", "/folder/a/"),
    ],
)
def test_one_path_has_one_spelling_and_the_others_are_redirected_to_it(path, location):
    site = router("/menu/", "/bread/<kind>", "/orders/<name>", "/folder/<path:file>/")
    assert site.match(path) == Routed(308, location=location)
    assert site.match(location).status == 200


def test_a_slash_is_not_added_for_a_method_that_would_then_be_refused():
    site = router("/menu/")
    assert site.match("/menu", "POST") == Routed(404)
    assert site.match("/menu/", "POST") == Routed(405, allow=("GET", "HEAD"))


def test_a_path_parameter_keeps_the_slashes_it_is_given():
    site = router("/proxy/<path:url>")
    assert site.match("/proxy/http://shop.example/").arguments == {"url": "http://shop.example/"}


@given(st.text(st.characters()) | st.text("/a%2f.7\n").map("/".__add__), st.sampled_from("GP"))
@example("//shop.example", "G")
@example("/\ud800/", "G")
def test_any_path_is_decided_and_a_redirect_stays_on_the_host(path, method):
    site = router("/", "/a/", "/a/<int:x>/", "/<path:a>/7", "/<b>/<c>")
    routed = site.match(path, {"G": "GET", "P": "POST"}[method])
    assert routed.status in (200, 308, 404, 405)
    if routed.status == 308:
        assert re.fullmatch(r"/|/[^/][!-~]*", routed.location)
        assert site.match(routed.location).status == 200


@pytest.mark.parametrize(
    "rule",
    ["menu", "", "//menu", "/a//b", "/<", "/<a", "/a>", "/<a><a>", "/<1>", "/<int:>", "/<a b>"],
)
def test_a_rule_that_is_none_is_refused_with_an_example(rule):
    with pytest.raises(ValueError, match="must be a path such as /orders/<int:number>"):
        router(rule)


def test_an_unknown_kind_and_a_method_without_brackets_are_refused():
    with pytest.raises(ValueError, match="kind must be one of int, float, .* got 'integer'"):
        router("/<integer:x>")
    with pytest.raises(TypeError, match=r"Write \['GET'\]"):
        Router().add("/", "home", methods="GET")


# nginx

# The example of nginx's own documentation of `location`.
NGINX = [
    ("=", "/", "A"),
    ("", "/", "B"),
    ("", "/documents/", "C"),
    ("^~", "/images/", "D"),
    ("~*", r"\.(gif|jpg|jpeg)$", "E"),
]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/", "A"),
        ("/index.html", "B"),
        ("/documents/document.html", "C"),
        ("/images/1.gif", "D"),
        ("/documents/1.JPG", "E"),
        ("//", "A"),
        ("/documents/..//%69mages/1.gif", "D"),
        ("/images/%2e%2e/1.gif", "E"),
    ],
)
def test_nginx_normalises_and_then_chooses(path, name):
    assert nginx_location(NGINX, path) == name
    # The order of beginnings says nothing, only that of regular expressions does.
    assert nginx_location(list(reversed(NGINX)), path) == name


def test_nginx_takes_the_first_regular_expression_that_fits():
    locations = [("~", r"\.GIF$", "capital"), ("~*", r"\.gif$", "any"), ("~", "1", "late")]
    assert nginx_location(locations, "/1.gif") == "any"
    assert nginx_location(locations, "/1.GIF") == "capital"
    assert nginx_location(locations, "/2.png") is None


def test_nginx_knows_no_other_modifiers():
    with pytest.raises(ValueError, match="modifier must be one of"):
        nginx_location([("!", "/", "A")], "/")
