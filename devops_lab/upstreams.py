"""The servers behind a balancer, how it chooses among them, and how that changes while it runs.

What Caddy (`devops_lab.balancer`) and nginx (`devops_lab.nginx`) have in common.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit

from devops_lab import rules
from devops_lab.translation import _
from devops_lab.web_program import WebProgram


class HasAddress(Protocol):
    """Anything with an address, such as a `Server` or a balancer."""

    @property
    def url(self) -> str: ...


@dataclass(frozen=True)
class Upstreams:
    """What can be changed while a balancer runs; each program adds what it alone has."""

    servers: tuple[str, ...]
    policy: str = "round_robin"
    weights: tuple[int, ...] = ()
    retry_for_s: float = 0.0
    avoid_failed_for_s: float = 0.0

    policies: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        rules.one_of("policy", self.policy, self.policies)
        rules.number("retry_for_s", self.retry_for_s, at_least=0, at_most=3600)
        rules.number("avoid_failed_for_s", self.avoid_failed_for_s, at_least=0, at_most=3600)
        if not self.servers:
            raise ValueError(_("servers must be at least one server, got none."))
        for weight in self.weights:
            rules.whole("weights", weight, at_least=1)
        wanted = len(self.servers) if self.policy == "weighted_round_robin" else 0
        if len(self.weights) != wanted:
            text = _("weights must be {wanted} numbers for {policy}, got {count}.")
            raise ValueError(
                text.format(wanted=wanted, policy=self.policy, count=len(self.weights))
            )

    @classmethod
    def of(cls, servers: Sequence[HasAddress | str], **settings: Any) -> Self:
        """The settings, with servers given as objects or addresses."""
        return cls(addresses(servers), **_tidy(settings))

    def changed(self, **settings: Any) -> Self:
        """The same with other settings; a new policy drops what belongs to the old one."""
        for name in settings:
            rules.one_of("setting", name, [field.name for field in fields(self)])
        if "servers" in settings:
            settings["servers"] = addresses(settings["servers"])
        if "policy" in settings:
            settings = {"weights": (), **settings}
        return replace(self, **_tidy(settings))


class BalancerProgram(WebProgram):
    """A balancer at one port of 127.0.0.1, whose settings can be changed while it runs."""

    settings: Upstreams

    def set(self, **settings: Any) -> None:
        """Change settings, at once where the balancer runs: `set(servers=[a, b, c])`.

        A new policy drops the weights and the key of the old one. Requests under way are
        finished; whose turn it is starts anew; idle connections are closed, which can cost a
        client that is just sending one error. Raises an error, and changes nothing then.
        """
        before, self.settings = self.settings, self.settings.changed(**settings)
        try:
            if self.is_running:
                self.reload()
        except BaseException:
            self.settings = before
            raise

    def reload(self) -> None:
        """Have the running program take the present settings."""
        raise NotImplementedError


def addresses(servers: Sequence[HasAddress | str]) -> tuple[str, ...]:
    """Host and port of each server, given as an object with a `url` or as that address itself.

    >>> addresses(["http://127.0.0.1:8000"])
    ('127.0.0.1:8000',)
    """
    return tuple(map(_address, _listed("servers", servers)))


def _tidy(settings: dict[str, Any]) -> dict[str, Any]:
    if "weights" in settings:
        return settings | {"weights": _listed("weights", settings["weights"])}
    return settings


def _listed(parameter: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        text = _("{parameter} must be a list, got {given!r}. Put it into square brackets.")
        raise TypeError(text.format(parameter=parameter, given=given))
    return tuple(given)


def _address(server: HasAddress | str) -> str:
    url = str(getattr(server, "url", server))
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname == "127.0.0.1" and parts.port:
        return parts.netloc
    text = _("servers must be servers or addresses like http://127.0.0.1:8000, got {url!r}.")
    raise ValueError(text.format(url=url))
