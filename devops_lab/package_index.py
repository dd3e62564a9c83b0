"""A package index: the folder from which releases are installed, as PyPI is for the world.

It has one page, which lists the files (PEP 503, "Simple Repository API"), so that pip and uv can
read it. Next to each file stands its hash: a fingerprint of the bytes, another for other bytes.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from devops_lab.machine import find_program
from devops_lab.translation import _
from devops_lab.workshop import Workshop

PACKAGE = "moonlight"


class ReleaseError(RuntimeError):
    """Something that may not be released, or is not there to be deployed."""


class PackageIndex:
    """The package index in the workshop."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._files = workshop.index / PACKAGE

    def add(self, wheel: Path) -> None:
        """Put the file into the index; `ReleaseError` where its version has other bytes there."""
        self._files.mkdir(exist_ok=True)
        kept = self._files / wheel.name
        if kept.exists() and sha256(kept) != sha256(wheel):
            text = _(
                "{file} is in the index already, with other bytes. A version that was released "
                "never changes: commit again, and the commit gets a version of its own."
            )
            raise ReleaseError(text.format(file=wheel.name))
        shutil.copyfile(wheel, kept)
        self._write_page()

    def install(self, version: str, fingerprint: str) -> Path:
        """The folder into which the version was installed, if its bytes have this hash.

        uv does it where it is found, pip otherwise. Raises `CommandError` with their words.
        """
        folder = self._workshop.releases / version
        requirement = self._workshop.folder / "requirements.txt"
        requirement.write_text(f"{PACKAGE}=={version} --hash=sha256:{fingerprint}\n")
        options = ["--no-deps", "--require-hashes", "--index-url", self._workshop.index.as_uri()]
        # A release folder is whole or not there.
        unfinished = folder.with_name(f".{version}")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._workshop.run(
            [*_installer(), *options, "--target", str(unfinished), "-r", str(requirement)]
        )
        shutil.rmtree(folder, ignore_errors=True)
        return unfinished.rename(folder)

    def _write_page(self) -> None:
        files = sorted(self._files.glob("*.whl"))
        links = [
            f'<a href="{file.name}#sha256={sha256(file)}">{file.name}</a><br>' for file in files
        ]
        page = "\n".join(("<!doctype html>", f"<title>{PACKAGE}</title>", *links, ""))
        (self._files / "index.html").write_text(page)


def sha256(file: Path) -> str:
    """The fingerprint of the file's bytes: 64 hexadecimal digits."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _installer() -> list[str]:
    if find_program("uv"):
        # It would not look for a release that is newer than its last look.
        return ["uv", "pip", "install", "--quiet", "--refresh", "--python", sys.executable]
    return ["python", "-m", "pip", "install", "--quiet"]
