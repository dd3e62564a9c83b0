"""From a commit to a release: the stages before people notice anything.

Each works on the newest commit in a clean folder of its own (`checkout`), so that nothing which
is not committed gets into a release. What a stage runs stands in the shop's `pipeline.toml`.
"""

import shutil
import tomllib
from pathlib import Path
from typing import Any

from devops_lab import rules
from devops_lab.package_index import PACKAGE, PackageIndex, ReleaseError, sha256
from devops_lab.repository import Commit, Repository
from devops_lab.translation import _
from devops_lab.workshop import Workshop

FILE = "pipeline.toml"


class Pipeline:
    """The workshop's repository and index, and the way from the one to the other.

    The stages raise `CommandError` with the words of the tool that refused, `ReleaseError` where
    an earlier stage is missing, and `ValueError` where `pipeline.toml` cannot be understood.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self.repository = Repository(workshop)
        self.index = PackageIndex(workshop)
        self._head: Commit | None = None

    @property
    def head(self) -> Commit:
        """The newest commit, as the last commit or build saw it."""
        return self._head or self._look()

    def commit(self, message: str) -> str:
        """Keep what was edited as a new state of the source."""
        said, head = self.repository.commit(message), self._look()
        if not said:
            said = _("Nothing was edited since the last commit, {id}.").format(id=head.id)
        return _("{said}\nRecorded as version {version}").format(said=said, version=head.version)

    def build(self) -> str:
        """Make one file of the newest commit, a wheel: the same bytes each time."""
        head = self._look()
        shutil.rmtree(self._checkout, ignore_errors=True)
        archive = self._workshop.folder / "checkout.zip"
        self._workshop.run(["git", "archive", "--output", str(archive), "HEAD"])
        shutil.unpack_archive(archive, self._checkout)
        words = self._workshop.run(
            self._command("build"),
            cwd=self._checkout,
            MOONLIGHT_VERSION=head.version,
            # The times in the wheel are the commit's.
            SOURCE_DATE_EPOCH=str(int(head.time.timestamp())),
        )
        wheel = self._wheel()
        text = _("{words}\n{file}, sha256 {fingerprint}")
        return text.format(words=words, file=wheel.name, fingerprint=sha256(wheel))

    def test(self) -> str:
        """Run the tests on the wheel, not on the source: what is tested is what is released."""
        wheel = self._wheel()
        return self._workshop.run(self._command("test"), cwd=self._checkout, PYTHONPATH=str(wheel))

    def release(self) -> str:
        """Put the wheel into the index, and its version and hash into a tag of the commit."""
        wheel, version = self._wheel(), self.head.version
        self.index.add(wheel)
        self.repository.tag(version, sha256(wheel))
        return _("{file} is in the package index; the commit has the tag v{version}.").format(
            file=wheel.name, version=version
        )

    def install(self, version: str) -> None:
        """Take a released version from the index into a folder of its own, its hash checked."""
        fingerprint = self.repository.note(version)
        if not fingerprint:
            text = _("Version {version} is not released yet. Run release() first.")
            raise ReleaseError(text.format(version=version))
        self.index.install(version, fingerprint)

    def health_check(self) -> tuple[str, int]:
        """The path that a server is asked after a deployment, and in how many tries."""
        settings = self._settings("check")
        path, tries = settings.get("path"), settings.get("tries")
        if not isinstance(path, str) or not path.startswith("/"):
            text = _('path of [check] in {file} must begin with "/", got {path!r}.')
            raise ValueError(text.format(file=FILE, path=path))
        return path, rules.whole("tries", tries, at_least=1, at_most=100)

    def _look(self) -> Commit:
        # Somebody may have committed by hand.
        self._head = self.repository.head()
        return self._head

    @property
    def _checkout(self) -> Path:
        return self._workshop.folder / "checkout"

    def _wheel(self) -> Path:
        version = self.head.version
        for wheel in self._checkout.glob(f"dist/{PACKAGE}-{version}-*.whl"):
            return wheel
        text = _("There is no wheel of version {version} yet. Run build() first.")
        raise ReleaseError(text.format(version=version))

    def _command(self, stage: str) -> list[str]:
        command = self._settings(stage).get("run")
        if not isinstance(command, list) or not command or {*map(type, command)} != {str}:
            text = _('run of [{stage}] in {file} must be a list of words, such as ["python"].')
            raise ValueError(text.format(stage=stage, file=FILE))
        return command

    def _settings(self, stage: str) -> dict[str, Any]:
        try:
            settings = tomllib.loads((self._checkout / FILE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            text = _("{file} cannot be read: {error}.")
            raise ValueError(text.format(file=FILE, error=error)) from None
        found = settings.get(stage)
        return found if isinstance(found, dict) else {}
