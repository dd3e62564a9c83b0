"""What the bakery's shop answers: its menu, and orders that are made up, but always the same."""

import json
import random
from functools import cache

from devops_lab.http1 import Reply, Request
from devops_lab.routing import Router

MENU = (
    {"id": "moon-rye", "name": "Moon rye", "korean": "달빛 호밀빵", "price_won": 6500},
    {"id": "milk-loaf", "name": "Milk loaf", "korean": "우유 식빵", "price_won": 5200},
    {"id": "red-bean-bun", "name": "Red bean bun", "korean": "단팥빵", "price_won": 2300},
    {"id": "salt-roll", "name": "Salt roll", "korean": "소금빵", "price_won": 2800},
    {
        "id": "sweet-potato-tart",
        "name": "Sweet potato tart",
        "korean": "고구마 타르트",
        "price_won": 4400,
    },
)
ORDERS = 1000


def order(number: int) -> dict[str, object]:
    """The order with this number, the same whenever it is asked for.

    >>> order(42) == order(42)
    True
    """
    draw = random.Random(f"order {number}")
    chosen = draw.sample(MENU, draw.randint(1, 3))
    items = [{"id": bread["id"], "count": draw.randint(1, 4)} for bread in chosen]
    price = {bread["id"]: bread["price_won"] for bread in MENU}
    return {
        "order": number,
        "items": items,
        "total_won": sum(price[item["id"]] * item["count"] for item in items),
        "status": draw.choice(["baking", "packed", "delivered"]),
    }


def add_routes(site: Router) -> None:
    """Add the rules for all paths below `/api/`; their endpoints take the request and answer it."""
    site.add("/api/menu", _menu)
    site.add("/api/orders/<int:number>", _order)
    site.add("/api/<path:rest>", _nothing)


def _menu(_request: Request) -> Reply:
    return as_json(MENU)


def _order(request: Request, number: int) -> Reply:
    return _order_as_json(number) if 1 <= number <= ORDERS else _nothing(request)


def _nothing(request: Request, rest: str = "") -> Reply:
    told = {"error": f"There is nothing at {request.path}.", "try": ["/api/menu", "/api/orders/42"]}
    return as_json(told, 404)


@cache
def _order_as_json(number: int) -> Reply:
    return as_json(order(number))


def as_json(value: object, status: int = 200) -> Reply:
    """The value as an answer in JSON."""
    return Reply(status, "application/json", json.dumps(value, ensure_ascii=False).encode())
