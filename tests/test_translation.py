"""The ground for a second language: what is marked can be found, and what is found is used."""

import ast
import os
import re
import shutil
import string
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo

import devops_lab

PACKAGE = Path(devops_lab.__file__).parent
MODULES = sorted(
    file for file in PACKAGE.rglob("*.py") if "course_files" not in file.relative_to(PACKAGE).parts
)
FUNCTIONS = {"_": 1, "ngettext": 2}


def marked_texts(module):
    """Every argument of `_` and `ngettext` that has to be a text, with its line."""
    for call in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in FUNCTIONS:
            for argument in call.args[: FUNCTIONS[call.func.id]]:
                yield argument, call.lineno


def pseudo(text):
    """The text as if translated: marked at both ends, its placeholders kept."""
    return f"⟦{text}⟧"


@pytest.fixture(scope="module")
def translated_package(tmp_path_factory):
    """A folder with a copy of the package that has a catalogue for the language `xx`."""
    folder = tmp_path_factory.mktemp("translated")
    copy = folder / "devops_lab"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "course_files"))
    shutil.copytree(PACKAGE.parent / "data", folder / "data")
    catalogue = Catalog(locale="en")
    for _file, _line, message, _comments, _context in extract_from_dir(PACKAGE):
        texts = message if isinstance(message, tuple) else (message,)
        translation = tuple(map(pseudo, texts))
        catalogue.add(message, translation if len(texts) > 1 else translation[0])
    target = copy / "locale" / "xx" / "LC_MESSAGES" / "devops_lab.mo"
    target.parent.mkdir(parents=True)
    with target.open("wb") as file:
        write_mo(file, catalogue)
    return folder


def said(code, folder, language="xx"):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "DEVOPS_LAB_LANGUAGE": language},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    ).stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(PACKAGE).as_posix())
def test_every_marked_text_is_one_plain_string(module):
    for argument, line in marked_texts(module):
        where = f"{module.name}:{line}"
        assert isinstance(argument, ast.Constant), where
        assert isinstance(argument.value, str), where
        assert argument.value.strip(), where


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.relative_to(PACKAGE).as_posix())
def test_every_placeholder_has_a_name(module):
    for argument, line in marked_texts(module):
        names = [name for _text, name, _spec, _how in string.Formatter().parse(argument.value)]
        unnamed = [name for name in names if name is not None and not re.match("[a-z]", name)]
        assert unnamed == [], f"{module.name}:{line}"


def test_a_translation_changes_what_a_check_says(translated_package):
    code = (
        "from devops_lab.exercises import check, hint\n"
        "from devops_lab.questions import Exercise\n"
        "one = Exercise(id='99.one', number=1, kind='compute', title='One', otherwise='Why?',\n"
        "    is_right=lambda answer: answer == 1, right_answers=(1,), because='So.',\n"
        "    mistakes=(), hints=('Count.', 'Again.'))\n"
        "for answer in (1, 2, ...):\n"
        "    check('99.one', answer, catalogue=[one])\n"
        "hint('99.one', catalogue=[one])"
    )
    right, wrong, _question, still_open, first_hint, more = said(
        code, translated_package
    ).splitlines()
    assert right == "⟦Right.⟧ So."
    assert wrong == "⟦Not yet.⟧ ⟦You gave 2.⟧"
    assert still_open.startswith("⟦Not answered yet.⟧ ⟦“One” waits for you")
    assert first_hint == "⟦Hint.⟧ ⟦1 of 2: Count.⟧"
    assert more == "⟦1 more hint: run this cell again.⟧"


def test_a_translation_reaches_the_lessons_exercises(translated_package):
    code = (
        "from devops_lab import questions\n"
        "for exercise in questions.all_exercises():\n"
        "    texts = [exercise.title, exercise.because, exercise.otherwise, *exercise.hints]\n"
        "    texts += [mistake.ask for mistake in exercise.mistakes]\n"
        "    texts += [m.then for m in exercise.mistakes if isinstance(m.then, str)]\n"
        "    print(*[text for text in texts if not text.startswith('⟦')], sep='\\n', end='')"
    )
    assert said(code, translated_package) == ""


def test_a_text_without_a_translation_stays_english(translated_package):
    code = "from devops_lab.exercises import predict; predict('99.one', ...)"
    assert said(code, translated_package, language="yy").startswith("No prediction yet. Put")
