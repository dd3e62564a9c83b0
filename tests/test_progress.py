import json
import os
import random
import re
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devops_lab import progress as progress_module
from devops_lab import questions
from devops_lab.course import LESSONS, PROGRESS_FILE
from devops_lab.exercises import check, predict, prediction
from devops_lab.progress import export_progress, reached_stop, restore_progress, show_progress
from devops_lab.progress_file import Progress, Record
from devops_lab.questions import Exercise

PROJECT = Path(questions.__file__).parents[2]


def exercise(exercise_id, number):
    return Exercise(
        id=exercise_id,
        number=number,
        kind="compute",
        title="One and one",
        is_right=lambda answer: answer == 2,
        right_answers=(2,),
        because="It is.",
        mistakes=(),
        otherwise="How many fingers?",
        hints=("Count.",),
    )


CATALOGUE = (exercise("00.sum", 1), exercise("00.more", 2), exercise("02.sum", 9))


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A learner's folder, as the course makes it."""
    (tmp_path / PROGRESS_FILE).write_text("{}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(questions, "all_exercises", lambda: CATALOGUE)
    monkeypatch.setattr(questions, "exercises", lambda lesson: of_lesson(lesson))
    return tmp_path


def of_lesson(lesson):
    return tuple(exercise for exercise in CATALOGUE if exercise.lesson == lesson)


def kept(folder):
    return json.loads((folder / PROGRESS_FILE).read_text())


def in_another_kernel(code, folder, **options):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
        **options,
    ).stdout


def test_a_right_answer_a_prediction_and_a_stop_are_kept_next_to_the_lesson(at_home, capsys):
    check("00.sum", 3)
    assert kept(at_home) == {}
    check("00.sum", 2)
    check("00.sum", 3)
    predict("02.share", 12.5, unit="%")
    reached_stop("02")
    assert kept(at_home) == {
        "right": ["00.sum"],
        "stops": ["02"],
        "predictions": {"02.share": 12.5},
    }
    assert "kept in progress.json" in capsys.readouterr().out


def test_another_lesson_sees_the_prediction(at_home):
    predict("02.share", 12.5)
    code = "from devops_lab.exercises import prediction; print(prediction('02.share'))"
    assert in_another_kernel(code, at_home) == "12.5\n"


def test_outside_a_learners_folder_nothing_is_written_and_it_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    predict("02.share", 3)
    reached_stop("02")
    assert prediction("02.share") == 3
    assert "not your own copy" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_kernels_that_write_at_once_lose_nothing(at_home):
    code = """
import sys
from pathlib import Path
from devops_lab.progress_file import Progress, Record
mine = Progress(Path.cwd())
for n in range(20):
    name = f"{sys.argv[1]}.e{n}"
    mine.add(Record(right=frozenset({name}), predictions={name: n}))
print(mine.new_troubles())
"""
    kernels = [
        subprocess.Popen(
            [sys.executable, "-c", code, lesson],
            cwd=at_home,
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for lesson in ("00", "01", "02", "03")
    ]
    assert [kernel.communicate()[0] for kernel in kernels] == ["[]\n"] * 4
    names = {f"{lesson}.e{n}" for lesson in ("00", "01", "02", "03") for n in range(20)}
    assert set(kept(at_home)["right"]) == names
    assert set(kept(at_home)["predictions"]) == names


def test_the_newest_prediction_wins_whichever_kernel_made_it(at_home):
    here, there = Progress(at_home), Progress(at_home)
    here.add(Record(predictions={"02.share": 1.0}))
    there.add(Record(predictions={"02.share": 2.0}))
    here.add(Record(right=frozenset({"00.sum"})))
    assert here.now().predictions == {"02.share": 2.0}


@pytest.mark.parametrize(
    "damage",
    [
        b'{"right": ["00.s',
        b"[]",
        b"12",
        b'{"right": "00.sum"}',
        b'{"right": [1]}',
        b'{"predictions": {"02.share": "many"}}',
        b'{"predictions": {"02.share": NaN}}',
        b'{"predictions": [3]}',
        b'{"predictions": {"02.share": 1' + b"0" * 400 + b"}}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_set_aside_and_said_once(at_home, damage, capsys):
    (at_home / PROGRESS_FILE).write_bytes(damage)
    (at_home / "progress-damaged-1.json").write_text("an older one")
    show_progress()
    said = capsys.readouterr().out
    assert "progress.json was damaged and is now progress-damaged-2.json" in said
    assert (at_home / "progress-damaged-2.json").read_bytes() == damage
    assert (at_home / "progress-damaged-1.json").read_text() == "an older one"
    check("00.sum", 2)
    assert "damaged" not in capsys.readouterr().out
    assert kept(at_home)["right"] == ["00.sum"]


def test_a_file_that_is_damaged_meanwhile_costs_nothing_that_is_still_in_memory(at_home):
    mine = Progress(at_home)
    mine._unwritten = Record(right=frozenset({"00.sum"}))
    (at_home / PROGRESS_FILE).write_text("{")
    assert mine.now().right == {"00.sum"}
    assert kept(at_home)["right"] == ["00.sum"]


def test_an_empty_file_is_a_fresh_start(at_home, capsys):
    (at_home / PROGRESS_FILE).write_text("")
    show_progress()
    assert "damaged" not in capsys.readouterr().out


def test_what_a_later_release_wrote_is_kept(at_home):
    later = {"right": ["31.unknown"], "badges": {"colour": "blue"}, "stops": ["31"]}
    (at_home / PROGRESS_FILE).write_text(json.dumps(later))
    check("00.sum", 2)
    assert kept(at_home)["badges"] == {"colour": "blue"}
    assert kept(at_home)["right"] == ["00.sum", "31.unknown"]


UNWRITABLE = """
import os, resource
import IPython.display  # while this process may still read its own libraries
from devops_lab.exercises import predict, prediction
{obstacle}
predict("02.share", 3); predict("02.other", 4)
print(prediction("02.share"), prediction("02.other"), prediction("02.before"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_full_disk_is_said_once_and_the_answers_go_on(at_home):
    before = '{"predictions": {"02.before": 1.0}}'
    (at_home / PROGRESS_FILE).write_text(before)
    obstacle = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
    # No file can grow then, as on a full disk; what is printed goes into a pipe.
    said = in_another_kernel(UNWRITABLE.format(obstacle=obstacle), at_home)
    assert said.count("Your progress cannot be kept in") == 1
    assert said.endswith("3.0 4.0 1.0\n")
    assert (at_home / PROGRESS_FILE).read_text() == before
    assert not list(at_home.glob(".progress-*"))


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not write-protected by a mode")
def test_a_read_only_folder_is_said_and_the_answers_go_on():
    # The administrator may write everywhere, so the kernel has to become somebody else.
    obstacle = "if os.getuid() == 0: os.seteuid(65534)"
    with tempfile.TemporaryDirectory() as home:
        Path(home, PROGRESS_FILE).write_text('{"predictions": {"02.before": 1.0}}')
        Path(home).chmod(0o555)
        said = in_another_kernel(UNWRITABLE.format(obstacle=obstacle), home)
        Path(home).chmod(0o755)
    assert said.count("Permission denied") == 1
    assert said.endswith("3.0 4.0 1.0\n")


def test_what_could_not_be_written_is_written_when_it_can(at_home):
    lock = at_home / ".progress.lock"
    lock.mkdir()
    mine = Progress(at_home)
    mine.add(Record(right=frozenset({"00.sum"})))
    (sentence,) = mine.new_troubles()
    assert "cannot be kept" in sentence
    lock.rmdir()
    mine.add(Record(right=frozenset({"00.more"})))
    assert kept(at_home)["right"] == ["00.more", "00.sum"]
    assert mine.new_troubles() == []


def test_what_is_not_written_is_not_said_to_be_kept(at_home, capsys):
    (at_home / ".progress.lock").mkdir()
    reached_stop("02")
    check("00.sum", 2)
    said = capsys.readouterr().out
    assert "is not in progress.json yet: it lasts as long as this kernel" in said
    assert said.count("Your progress cannot be kept in") == 1
    show_progress()
    assert capsys.readouterr().out.startswith("Your progress is not in progress.json yet")
    (at_home / ".progress.lock").rmdir()
    reached_stop("00")
    assert "Your progress is kept in progress.json" in capsys.readouterr().out
    assert kept(at_home)["stops"] == ["00", "02"]


def test_the_table_has_a_row_for_every_lesson(at_home, capsys):
    check("00.sum", 2)
    reached_stop("02")
    capsys.readouterr()
    show_progress()
    first, *rows = capsys.readouterr().out.splitlines()
    assert first == "Your progress is kept in progress.json, next to this lesson."
    assert len(rows) == len(LESSONS)
    assert rows[0] == "Lesson 00, Start here: 1 of 2 done; half-way stop not yet reached."
    assert "Lesson 02, Paths and resources: 0 of 1 done; half-way stop reached." in rows


def test_a_stop_of_no_lesson_names_the_near_ones():
    with pytest.raises(LookupError, match="no lesson 2; near it: .*02"):
        reached_stop("2")
    with pytest.raises(LookupError, match="no lesson 2; near it: .*02"):
        reached_stop(2)


def test_one_short_code_carries_progress_to_another_machine(at_home, capsys):
    check("00.sum", 2)
    check("02.sum", 2)
    reached_stop("00")
    code = export_progress()
    assert re.fullmatch(r"DL1(-[A-Z2-7]{1,4})+", code)
    assert len(code) < 25
    (at_home / PROGRESS_FILE).write_text('{"right": ["00.more"], "stops": ["02"]}')
    capsys.readouterr()
    restore_progress(f"  {code.lower().replace('-', ' ')} ")
    assert capsys.readouterr().out == (
        "Restored. The code brings 2 exercises done.\n"
        "It brings the half-way stop of lesson 00.\n"
        "Your progress is kept in progress.json, next to this lesson.\n"
    )
    assert kept(at_home)["right"] == ["00.more", "00.sum", "02.sum"]
    assert kept(at_home)["stops"] == ["00", "02"]


@pytest.mark.parametrize("quoted", ["'{}'", '"{}"', " “{}” ", "`{}`\n"])
def test_a_code_may_be_pasted_with_its_quotes(at_home, quoted, capsys):
    check("00.sum", 2)
    code = export_progress()
    (at_home / PROGRESS_FILE).write_text("{}")
    restore_progress(quoted.format(code))
    assert kept(at_home)["right"] == ["00.sum"]
    assert "half-way stop" not in capsys.readouterr().out


def test_a_code_survives_a_course_that_has_grown_or_shrunk(at_home, monkeypatch, capsys):
    for exercise_id in ("00.sum", "00.more", "02.sum"):
        check(exercise_id, 2)
    code = export_progress()
    grown = (exercise("00.first", 7), *reversed(CATALOGUE[1:]), exercise("01.new", 1))
    monkeypatch.setattr(questions, "all_exercises", lambda: grown)
    (at_home / PROGRESS_FILE).write_text("{}")
    restore_progress(code)
    assert kept(at_home)["right"] == ["00.more", "02.sum"]
    assert "It holds 1 more, from another release" in capsys.readouterr().out


@pytest.mark.parametrize(
    "code", ["", "hello", "DL2-AAAA", None, 12, "DL1", "DL1-", "DL1-é", "DL1-A"]
)
def test_what_is_no_code_is_said(at_home, code, capsys):
    restore_progress(code)
    assert capsys.readouterr().out.startswith("Not yet. ")
    assert kept(at_home) == {}


def test_every_single_mistyped_or_missing_letter_is_noticed(at_home, capsys):
    check("00.sum", 2)
    check("02.sum", 2)
    code = export_progress()
    letters = [place for place in range(4, len(code)) if code[place] != "-"]
    # The last letter has bits that carry nothing.
    for place in letters[:-1]:
        other = random.Random(place).choice(sorted(set(string.ascii_uppercase) - set(code[place])))
        for wrong in (code[:place] + other + code[place + 1 :], code[:place] + code[place + 1 :]):
            capsys.readouterr()
            restore_progress(wrong)
            assert capsys.readouterr().out.startswith("Not yet. A letter"), wrong


@given(
    st.sets(st.tuples(st.integers(0, 40), st.integers(1, 50))),
    st.sets(st.integers(0, 99)),
)
def test_any_progress_comes_back_from_its_code(done, stops):
    catalogue = [exercise(f"{lesson:02}.e{number}", number) for lesson, number in done]
    record = Record(
        right=frozenset(exercise.id for exercise in catalogue),
        stops=frozenset(f"{lesson:02}" for lesson in stops),
    )
    code = progress_module._code(record, catalogue)
    assert progress_module._record(code, catalogue) == (record, 0)


@given(st.text(string.ascii_letters + string.digits + "- ", max_size=60))
def test_random_letters_give_no_progress(letters):
    with pytest.raises(progress_module.CodeError):
        progress_module._record(f"DL1-{letters}", CATALOGUE)


def test_the_code_of_a_whole_course_fits_on_one_line():
    catalogue = [exercise(f"{lesson:02}.e{n}", n) for lesson in range(18) for n in range(1, 8)]
    everything = Record(
        right=frozenset(exercise.id for exercise in catalogue),
        stops=frozenset(f"{lesson:02}" for lesson in range(18)),
    )
    assert len(progress_module._code(everything, catalogue)) < 100
