import ast
from collections import Counter
from pathlib import Path

from truth import CASES, LEFT_OUT, expected

TESTS = Path(__file__).parent


def beginnings_in(source: str) -> list[tuple[str, ...]]:
    """The arguments of each `@truth(...)`, read from the text: so it counts also when only some
    of the tests are run."""
    calls = [
        decorator
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "truth"
    ]
    return [tuple(ast.literal_eval(argument) for argument in call.args) for call in calls]


def uses() -> Counter[str]:
    texts = [path.read_text(encoding="utf-8") for path in sorted(TESTS.glob("test_*.py"))]
    tests = [beginnings for text in texts for beginnings in beginnings_in(text)]
    return Counter(
        {case["id"]: sum(case["id"].startswith(begin) for begin in tests) for case in CASES}
    )


def test_each_published_number_is_used_by_a_test_or_left_out_with_a_reason():
    assert {case for case, count in uses().items() if not count} == set(LEFT_OUT)


def test_no_published_number_is_used_by_two_tests():
    assert not [case for case, count in uses().items() if count > 1]


def test_each_use_finds_a_published_number():
    for path in TESTS.glob("test_*.py"):
        for beginnings in beginnings_in(path.read_text(encoding="utf-8")):
            for beginning in beginnings:
                assert any(case["id"].startswith(beginning) for case in CASES), (path, beginning)


def test_a_wrong_publication_is_compared_with_what_was_computed():
    published = {"expected": {"x": [1, "one"]}, "tolerance": {"abs": 0.1}}
    assert expected(published) == {"x": [1.05, "one"]}
    assert expected(published) != {"x": [1.15, "one"]}
    wrong = {"expected": {"x": 9}, "computed": {"x": 1}, "tolerance": "exact", "agrees": False}
    assert expected(wrong) == {"x": 1}
