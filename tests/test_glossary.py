import ast
import csv
import re
from collections import Counter

import nbformat
import pytest

from devops_lab import course
from devops_lab.glossary import glossary, term, terms

# The words of the study note that the course starts from.
NOTE = {
    *(
        "배포",
        "경로 처리",
        "자원",
        "성능",
        "지연 시간",
        "처리량",
        "수직 확장",
        "수평 확장",
        "확장성",
    ),
    *("분산 시스템", "메시지", "작업 조정", "가용성", "고가용성", "업타임", "다운타임", "자동화"),
    *("프로비저닝", "테라폼", "앤서블", "설정", "변경사항", "업데이트", "패치", "메트릭", "로그"),
    *("모니터링", "트래픽", "재해", "머신러닝", "빅데이터", "가설", "웹 애플리케이션", "브라우저"),
}
HANGUL = re.compile("[\uac00-\ud7a3]")


@pytest.fixture(scope="module")
def rows():
    with (course.data_folder() / "glossary.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def words(row):
    return [row["english"], row["korean"], *filter(None, row["spellings"].split(";"))]


def shown_in(lesson):
    """The ids in the lesson's calls of `term` and `terms`."""
    cells = nbformat.read(lesson, as_version=4).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    return [
        argument.value
        for call in ast.walk(ast.parse(code))
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in {"term", "terms"}
        for argument in call.args
    ]


def test_ids_are_unique_sorted_and_plain(rows):
    ids = [row["id"] for row in rows]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in ids)


def test_no_cell_is_empty_or_padded(rows):
    assert list(rows[0]) == ["id", "english", "korean", "spellings", "meaning", "lesson"]
    for row in rows:
        assert all(cell == cell.strip() for cell in row.values()), row
        assert all(cell for column, cell in row.items() if column != "spellings"), row
        assert all(words(row)), row


def test_every_korean_term_is_written_in_hangul(rows):
    assert [row["id"] for row in rows if not HANGUL.search(row["korean"])] == []


def test_no_spelling_belongs_to_two_terms(rows):
    counted = Counter(word.casefold() for row in rows for word in words(row))
    assert [word for word, count in counted.items() if count > 1] == []


def test_a_meaning_is_one_short_sentence(rows):
    for row in rows:
        assert len(row["meaning"]) <= 110, row
        assert row["meaning"].endswith("."), row
        assert HANGUL.search(row["meaning"]) is None, row


def test_every_lesson_introduces_terms(rows):
    assert {row["lesson"] for row in rows} == {f"{number:02}" for number in range(18)}


def test_the_notes_own_terms_are_there_under_both_spellings(rows):
    by_word = {word: row["id"] for row in rows for word in words(row)}
    assert by_word["매트릭"] == by_word["메트릭"] == "metric"
    assert by_word["지연 시간"] == "latency"
    assert by_word["대기 시간"] == "wait"
    assert by_word.keys() >= NOTE


@pytest.mark.parametrize(
    "lesson", sorted(course.lessons_folder().glob("*.ipynb")), ids=lambda file: file.stem
)
def test_every_term_that_a_lesson_shows_is_known_by_then(lesson):
    shown = [term(name) for name in shown_in(lesson)]
    assert [shown_term.id for shown_term in shown if shown_term.lesson > lesson.name[:2]] == []


def test_terms_are_a_table_in_the_notebook_and_lines_in_text(capsys):
    terms("wait", "latency")
    caption, wait, latency = capsys.readouterr().out.splitlines()
    assert caption == "Terms"
    assert wait.startswith("wait (대기 시간): ")
    assert latency.startswith("latency (지연 시간): ")


def test_an_unknown_term_names_the_near_ones():
    with pytest.raises(LookupError, match="no term sever; near it: .*server"):
        term("sever")
    with pytest.raises(LookupError, match="no term 서버"):
        terms("server", "서버")


def test_a_term_keeps_its_other_spellings():
    assert "스케일 아웃" in glossary()["horizontal_scaling"].spellings
    assert term("server").spellings == ()
