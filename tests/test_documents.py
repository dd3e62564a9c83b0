"""What README, CONTRIBUTING and the others name is really there."""

import re
from pathlib import Path

import pytest

from devops_lab import course

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(ROOT.glob("*.md")) + sorted((ROOT / "data").glob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_link_inside_the_project_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_the_readme_links_the_lessons_that_are_ready() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\| (\d\d) \| \*\*\[(.+?)\]", readme)
    assert linked == [(lesson.number, lesson.title) for lesson in course.LESSONS.values()]


def test_the_checks_that_contributing_explains_exist() -> None:
    explained = re.findall(r"`(test_\w+)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    tests = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("tests/test_*.py"))
    assert explained
    assert [name for name in explained if f"def {name}" not in tests] == []


def test_the_commands_that_the_documents_name_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for document in DOCUMENTS:
        for verb in re.findall(r"(?:`|^)make ([a-z]+)", document.read_text("utf-8"), re.MULTILINE):
            assert f"\n{verb}:" in makefile, f"{document.name}: make {verb}"
