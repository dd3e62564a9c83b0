"""The tricks of lesson 02, and the small shop that they are tried on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from devops_lab.attacks import CLIMBS, HARMLESS, PICTURE, SIDE_DOORS, climb, small_shop, try_out
from devops_lab.paths import FolderWithoutSlash, PathRefused, percent_decode, safe_file
from devops_lab.servers import Server

with_links = pytest.mark.skipif(
    sys.platform == "win32", reason="on Windows only an administrator makes links"
)


@pytest.fixture(scope="module")
def shop() -> Path:
    return small_shop()


@with_links
def test_every_path_of_the_small_shop_leads_where_it_is_said_to(shop: Path) -> None:
    site = shop / "site"
    for path in HARMLESS.values():
        assert (site / percent_decode(path).removeprefix("/")).is_file()
    climbs = [path for name, path in CLIMBS.items() if name not in {"encoded twice", "backslashes"}]
    for path in (*climbs, *SIDE_DOORS.values()):
        leads_to = site / percent_decode(path).removeprefix("/").partition("\0")[0]
        assert leads_to.read_text() == "rye and patience", path


def test_a_safe_function_passes_and_a_fearful_or_careless_one_does_not(shop: Path) -> None:
    def safe(path):
        try:
            return 200, "text/plain", safe_file(shop / "site", path).read_bytes()
        except (PathRefused, FolderWithoutSlash, FileNotFoundError):
            return 404, "text/plain", "Not found"

    def fearful(path):
        return (404, "text/plain", "No!") if "%" in path else safe(path)

    def careless(path):
        return 200, "text/plain", (shop / "site" / percent_decode(path).lstrip("/")).read_text()

    tried = try_out(safe, secret="patience")
    assert tried.index.is_unique
    assert not tried["leaked"].any()
    assert (tried["answer"] == tried["wanted"].astype(str)).all()
    lost = try_out(fearful, secret="patience")
    assert lost.loc[HARMLESS["a percent sign"], "answer"] == "404"
    spoilt = try_out(careless, secret="patience")
    assert spoilt.loc[SIDE_DOORS["a folder named alike"], "leaked"]
    assert spoilt.loc[HARMLESS["a picture"], "answer"] == "UnicodeDecodeError"


def test_a_function_that_gives_nothing_is_shown_so() -> None:
    assert set(try_out(lambda path: None, secret="patience")["answer"]) == {"None"}


@with_links
def test_the_courses_own_server_gives_what_it_should_and_nothing_else(shop: Path) -> None:
    with Server(shop / "site") as server:
        climbs = climb([server], secret="patience")
        assert not climbs["leaked"].any()
        assert set(climbs["status"]) <= {400, 404}
        assert all(server.get(path).status == 200 for path in HARMLESS.values())
        assert server.get(HARMLESS["a picture"]).body == PICTURE
        assert {server.get(path).status for path in SIDE_DOORS.values()} == {400}


def test_the_small_shop_goes_with_the_kernel_also_with_one_that_is_killed(tmp_path: Path) -> None:
    def left_by(code: str) -> list[Path]:
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent.parent,
            env=os.environ | {"TMPDIR": str(tmp_path), "TEMP": str(tmp_path)},
        )
        return list(tmp_path.iterdir())

    make = "import os; from devops_lab.attacks import small_shop; small_shop()"
    assert left_by(make) == []
    assert len(left_by(f"{make}; os.kill(os.getpid(), 9)")) == 1
    assert left_by("from devops_lab.leftovers import sweep_all; sweep_all()") == []
