"""A session that travels with the visitor: readable by everybody, changeable by nobody.

The cookie is the session as text, a dot, and a signature: the text hashed together with a secret
that only the shop's servers know (HMAC, RFC 2104).

>>> cookie = signed({"name": "Mina"}, secret="moon")
>>> verified(cookie, secret="moon")
{'name': 'Mina'}
>>> verified(cookie, secret="sun") is None
True
"""

import base64
import hashlib
import hmac
import json
from typing import Any

Session = dict[str, Any]


def signed(session: Session, secret: str) -> str:
    """The session as the value of a cookie, with its signature."""
    text = base64.urlsafe_b64encode(json.dumps(session).encode()).decode().rstrip("=")
    return f"{text}.{_signature(text, secret)}"


def readable(cookie: str) -> Session:
    """What the cookie says, believed or not; anybody who has it can read it."""
    text = cookie.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def verified(cookie: str, secret: str) -> Session | None:
    """The session of a cookie whose signature is right; None of any other."""
    text, _dot, signature = cookie.partition(".")
    if not hmac.compare_digest(signature.encode(), _signature(text, secret).encode()):
        return None
    return readable(cookie)


def _signature(text: str, secret: str) -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
