"""The shop's source code and its history, in a real git repository."""

from dataclasses import dataclass
from datetime import UTC, datetime

from devops_lab.workshop import Workshop


@dataclass(frozen=True)
class Commit:
    """A state of the source: its id, the moment it was committed, and its number from 0 on."""

    id: str
    time: datetime
    number: int

    @property
    def version(self) -> str:
        """The version that the pipeline gives it."""
        return f"1.0.{self.number}"


class Repository:
    """The git repository in the workshop's source folder."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop

    def create(self) -> None:
        """Begin the history, without anything from git's own templates."""
        self._git("init", "--quiet", "--template=", "--initial-branch=main")

    def commit(self, message: str) -> str:
        """Commit every edited file; what git says of it, or nothing where no file was edited."""
        self._git("add", "--all")
        if not self._git("status", "--porcelain"):
            return ""
        return self._git("commit", "--message", message)

    def head(self) -> Commit:
        """The newest commit."""
        newest, *older = self._git("log", "--format=%h %ct").splitlines()
        short, seconds = newest.split()
        return Commit(short, datetime.fromtimestamp(int(seconds), UTC), len(older))

    def changes(self) -> str:
        """What was edited since the newest commit: removed lines with `-`, new ones with `+`."""
        return self._git("diff", "--unified=1", "HEAD")

    def tag(self, version: str, note: str) -> None:
        """Give the newest commit the version as a name that does not move, with a note."""
        self._git("tag", "--force", "--annotate", f"v{version}", "--message", note)

    def note(self, version: str) -> str:
        """The note of a version's tag; empty where there is none."""
        return self._git("tag", "--list", "--format=%(contents)", f"v{version}")

    def _git(self, *arguments: str) -> str:
        return self._workshop.run(["git", *arguments])
