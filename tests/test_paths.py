import os
from itertools import chain
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from traversals import absolutes, climbs
from truth import expected, truth

from devops_lab.paths import (
    LONGEST_PATH,
    FolderWithoutSlash,
    PathRefused,
    Url,
    byte_ranges,
    content_type,
    join_inside,
    normalise,
    percent_decode,
    percent_encode,
    remove_dot_segments,
    resolve,
    safe_file,
)

SECRET = "the recipe of the moon cake"
segments = st.sampled_from(["", ".", "..", "...", "a", "b;x=1", "%2e", "달"])
some_paths = st.lists(segments, max_size=8).map("/".join)
any_text = st.text(st.characters())  # st.text() alone leaves out what UTF-8 cannot say


# URLs


@truth("rfc3986-normal", "rfc3986-abnormal")
def test_a_link_leads_where_the_rfc_says(case):
    assert resolve(case["inputs"]["base"], case["inputs"]["ref"]) == expected(case)["target"]


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("g:h", "g:h"),
        ("//g", "http://g"),
        ("g?y#s", "http://a/b/c/g?y#s"),
        ("", "http://a/b/c/d;p?q"),
        ("..", "http://a/b/"),
        ("../..", "http://a/"),
        ("../../../../g", "http://a/g"),
        ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("g#s/../x", "http://a/b/c/g#s/../x"),
        ("?", "http://a/b/c/d;p?"),
        ("//g/../h#", "http://g/h#"),
    ],
)
def test_a_link_keeps_what_it_says_and_takes_the_rest_from_its_page(reference, target):
    assert resolve("http://a/b/c/d;p?q", reference) == target


def test_a_link_on_a_page_without_a_path_starts_at_the_root():
    assert resolve("http://a?q", "g") == "http://a/g"


def test_a_path_does_not_become_a_host_when_it_is_written_down():
    assert resolve("menu:/cakes", ".//bread") == "menu:/.//bread"
    assert Url.parse(resolve("menu:/cakes", ".//bread")).authority is None


# urljoin has its own way with empty segments, so these paths have none.
plain_paths = st.lists(segments.filter(bool)).map("/".join)


@given(plain_paths, plain_paths, st.booleans())
def test_links_of_paths_alone_lead_where_the_standard_library_says(page, link, from_root):
    base, link = f"http://a/{page}", f"/{link}" if from_root else link
    assert resolve(base, link) == urljoin(base, link)


@given(any_text)
@example("//bakery.example")
@example("a:b?c#d")
@example("?#")
def test_a_url_taken_apart_and_put_together_is_the_same(text):
    assert str(Url.parse(text)) == text


def test_an_empty_part_is_not_an_absent_one():
    assert (Url.parse("/menu?").query, Url.parse("/menu").query) == ("", None)
    assert (Url.parse("file:///x").authority, Url.parse("file:/x").authority) == ("", None)


@truth("rfc3986-dots")
def test_dot_segments_go_as_in_the_rfc(case):
    assert remove_dot_segments(case["inputs"]["path"]) == expected(case)["out"]


def dots_removed_word_by_word(path: str) -> str:
    """RFC 3986, 5.2.4, step by step: an input and an output buffer."""
    output = ""
    while path:
        if path.startswith(("../", "./")):
            path = path.partition("/")[2]
        elif path.startswith("/./") or path == "/.":
            path = "/" + path[3:]
        elif path.startswith("/../") or path == "/..":
            path, output = "/" + path[4:], output[: max(output.rfind("/"), 0)]
        elif path in (".", ".."):
            path = ""
        else:
            end = path.find("/", 1)
            end = len(path) if end < 0 else end
            path, output = path[end:], output + path[:end]
    return output


@given(some_paths)
def test_dot_segments_go_as_the_rfc_removes_them_one_by_one(path):
    assert remove_dot_segments(path) == dots_removed_word_by_word(path)


def test_a_path_of_a_hundred_thousand_characters_is_no_trouble():
    assert remove_dot_segments("/.." * 33_333 + "/menu") == "/menu"
    assert normalise("/%2e" * 25_000) == "/"


def test_the_rfc_normalises_its_example_so():
    assert normalise("/a/./b/../b/%63/%7bfoo%7d") == "/a/b/c/%7Bfoo%7D"


@given(st.text().map(percent_encode))
def test_normalising_twice_changes_nothing_more(path):
    assert normalise(normalise(path)) == normalise(path)


def test_a_code_that_is_encoded_twice_is_not_undone():
    assert normalise("/%252e%252e/menu") == "/%252e%252e/menu"


# percent-encoding


@truth("pct-double", "pct-mixed", "pct-trailing", "pct-utf8")
def test_decoding_is_done_once_and_forgives(case):
    assert percent_decode(case["inputs"]["raw"]) == expected(case)["decoded"]


@truth("pct-encode")
def test_encoding_keeps_what_is_safe(case):
    given = case["inputs"]
    assert percent_encode(given["text"], safe=given["safe"]) == expected(case)["encoded"]


@given(st.text())
def test_what_was_encoded_is_decoded_to_the_same(text):
    assert percent_decode(percent_encode(text)) == text
    assert percent_decode(percent_encode(percent_encode(text))) == percent_encode(text)


@given(any_text)
@example("half a character: \ud800")
def test_any_text_can_be_encoded_and_decoded(text):
    assert percent_encode(text).isascii()
    percent_decode(text)


def test_bytes_that_are_no_utf8_are_marked_and_a_plus_stays_a_plus():
    assert percent_decode("%c0%af+") == "\ufffd\ufffd+"


# from a path to a file


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A site with a secret beside it, and links that lead in and out."""
    folder = tmp_path_factory.mktemp("shop")
    root = folder / "site"
    for name in ("index.html", "menu/index.html", "images/logo.svg", "메뉴 1.txt", "empty/a/b"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name, encoding="utf-8")
    (folder / "secret.txt").write_text(SECRET)
    (folder / "site-of-the-owner").mkdir()
    (folder / "site-of-the-owner" / "index.html").write_text(SECRET)
    return root


@pytest.fixture(scope="module")
def linked_site(site):
    try:
        (site / "inside").symlink_to(site / "menu", target_is_directory=True)
    except OSError:
        pytest.skip("this system lets only administrators make symbolic links")
    (site / "outside").symlink_to(site.parent, target_is_directory=True)
    (site / "beside").symlink_to(site.parent / "site-of-the-owner", target_is_directory=True)
    (site / "outside.txt").symlink_to(site.parent / "secret.txt")
    (site / "empty" / "index.html").symlink_to(site.parent / "secret.txt")
    (site / "nowhere").symlink_to(site / "no-such-file")
    (site / "round").symlink_to(site / "round")
    return site


def answered(root: Path, path: str) -> str:
    """What a server does: the file's text, or the name of the refusal."""
    try:
        file = safe_file(root, path)
    except (PathRefused, FolderWithoutSlash, FileNotFoundError) as refusal:
        return type(refusal).__name__
    assert file.is_relative_to(root.resolve())
    return file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", "index.html"),
        ("/index.html", "index.html"),
        ("/menu/", "menu/index.html"),
        ("/menu/index.html", "menu/index.html"),
        ("/menu", "FolderWithoutSlash"),
        ("/menu/../images/logo.svg", "images/logo.svg"),
        ("/images//logo.svg", "images/logo.svg"),
        ("/%69ndex.html", "index.html"),
        ("/%EB%A9%94%EB%89%B4%201.txt", "메뉴 1.txt"),
        ("/index.html/", "FileNotFoundError"),
        ("/index.html/..", "FolderWithoutSlash"),
        ("/empty/", "FileNotFoundError"),
        ("/no-such-file", "FileNotFoundError"),
        ("/%252e%252e/secret.txt", "FileNotFoundError"),
        ("/....//secret.txt", "FileNotFoundError"),
        ("/../secret.txt", "PathRefused"),
        ("/%2e%2e%2fsecret.txt", "PathRefused"),
        ("/../site/index.html", "PathRefused"),
        ("/../site-of-the-owner/index.html", "PathRefused"),
        ("//etc/passwd", "PathRefused"),
        ("/a" * LONGEST_PATH, "PathRefused"),
        ("/" + "a" * 300, "FileNotFoundError"),
    ],
)
def test_a_path_leads_to_a_file_below_the_root_or_nowhere(site, path, answer):
    assert answered(site, path) == answer


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/..%5csecret.txt", "backslash"),
        ("/C:/secret.txt", "colon"),
        ("/index.html::$DATA", "colon"),
        ("/secret.txt%00.html", "control"),
        ("/index.html%7f", "control"),
        ("/index.html%C2%85", "control"),
        ("/index.html%0d%0aX-Cake:%20yes", "control"),
        ("/%c0%ae%c0%ae/secret.txt", "UTF-8"),
        ("/\ud800", "UTF-8"),
        ("/menu/CON", "device"),
        ("/com1.html", "device"),
        ("/aux .tar.gz", "device"),
        ("/LPT³/x", "device"),
        ("/../secret.txt", "out of the folder"),
    ],
)
def test_a_refusal_says_why(site, path, reason):
    with pytest.raises(PathRefused, match=reason):
        safe_file(site, path)


def test_names_that_only_look_like_devices_are_served(site):
    for name in ("contact", "com", "com10", "auxiliary.txt", "nul-and-void"):
        assert answered(site, f"/{name}") == "FileNotFoundError"


def test_a_link_inside_the_root_is_followed_and_one_out_of_it_is_not(linked_site):
    assert answered(linked_site, "/inside/") == "menu/index.html"
    for path in ("/outside/secret.txt", "/outside", "/beside/", "/outside.txt", "/empty/"):
        assert answered(linked_site, path) == "PathRefused"
    for path in ("/nowhere", "/round", "/round/"):
        assert answered(linked_site, path) == "FileNotFoundError"


def test_two_dots_after_a_link_go_back_in_the_text_and_not_on_the_disk(linked_site):
    assert answered(linked_site, "/outside/../index.html") == "index.html"


def test_the_root_itself_may_be_a_link(linked_site, tmp_path):
    (tmp_path / "site").symlink_to(linked_site, target_is_directory=True)
    assert answered(tmp_path / "site", "/menu/") == "menu/index.html"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileNotFoundError):
        safe_file(tmp_path, "/pipe")


def test_no_spelling_of_a_climb_reaches_the_secret(linked_site):
    secret = (linked_site.parent / "secret.txt").as_posix()
    tried = chain(
        climbs("secret.txt", "site-of-the-owner/", "outside/secret.txt"), absolutes(secret)
    )
    assert not [path for path in tried if SECRET in answered(linked_site, path)]


@given(any_text | st.binary().map(lambda raw: raw.decode("latin-1")) | some_paths)
def test_any_text_leads_into_the_root_or_is_refused(linked_site, path):
    assert answered(linked_site, path) != SECRET


@given(st.lists(st.sampled_from(["..", "%2e", "/", "%2f", "outside", "secret.txt", "beside", "."])))
def test_no_mixture_of_a_climbs_parts_reaches_the_secret(linked_site, parts):
    assert answered(linked_site, "/" + "".join(parts)) != SECRET


@given(st.lists(st.sampled_from([".", "..", "/", "menu", "%2e", "empty", "%2f"])))
@example([])
@example(["/", "menu"])
def test_the_redirect_to_a_folder_stays_on_the_host_and_ends_there(site, parts):
    for path in ("".join(parts), "/" + "".join(parts)):
        location = redirect_of(site, path)
        if location is not None:
            assert Url.parse(resolve("http://shop/x", location)).authority == "shop"
            assert redirect_of(site, location) is None


def redirect_of(root: Path, path: str) -> str | None:
    try:
        safe_file(root, path)
    except FolderWithoutSlash as folder:
        return folder.location
    except (PathRefused, FileNotFoundError):
        pass
    return None


@truth("werkzeug-safejoin")
def test_joining_as_text_agrees_with_werkzeug(case):
    given = case["inputs"]
    try:
        joined = join_inside(given["base"], given["path"])
    except PathRefused:
        joined = None
    assert joined == expected(case)["result"]


@truth("attack-")
def test_an_attack_escapes_after_as_many_decodings_as_published(case):
    path, outcomes = case["inputs"]["raw"], {}
    for times in range(3):
        try:
            join_inside(case["inputs"]["root"], path)
            outcomes[f"decoded{times}"] = "inside"
        except PathRefused:
            outcomes[f"decoded{times}"] = "escapes"
        path = percent_decode(path)
    assert outcomes == expected(case)


# Content-Type and Range


@pytest.mark.parametrize(
    ("file", "answer"),
    [
        ("index.html", "text/html; charset=utf-8"),
        ("app.js", "text/javascript; charset=utf-8"),
        ("MENU.JSON", "application/json"),
        ("logo.svg", "image/svg+xml"),
        ("cakes.tar.gz", "application/gzip"),
        ("recipe", "application/octet-stream"),
        (".html", "application/octet-stream"),
        ("recipe.moon", "application/octet-stream"),
    ],
)
def test_the_content_type_follows_from_the_ending_alone(file, answer):
    assert content_type(file) == answer
    assert content_type(Path("folder.html") / file) == answer


@truth("http-range")
def test_a_range_of_bytes_is_what_the_rfc_says(case):
    given = case["inputs"]
    first_last = tuple(expected(case)["first_last"])
    assert byte_ranges(given["range"], given["length"]) == [first_last]


@pytest.mark.parametrize(
    ("header", "length", "ranges"),
    [
        ("bytes=0-499", 10_000, [(0, 499)]),
        ("bytes=-500", 10_000, [(9_500, 9_999)]),
        ("bytes=0-0,-1", 10_000, [(0, 0), (9_999, 9_999)]),
        ("bytes= 0-999, 4500-5499, -1000", 10_000, [(0, 999), (4_500, 5_499), (9_000, 9_999)]),
        ("Bytes=0-", 5, [(0, 4)]),
        ("bytes=0-99", 5, [(0, 4)]),
        ("bytes=-99", 5, [(0, 4)]),
        ("bytes=5-", 5, []),
        ("bytes=-0", 5, []),
        ("bytes=0-", 0, []),
        ("bytes=4-3", 5, None),
        ("bytes=9-8", 5, None),
        ("bytes=-", 5, None),
        ("bytes=", 5, None),
        ("bytes=a-b", 5, None),
        ("bytes=٣-", 5, None),
        ("cakes=0-1", 5, None),
        ("bytes=" + "9" * 5_000 + "-", 5, None),
    ],
)
def test_a_range_is_cut_to_the_file_unsatisfied_or_ignored(header, length, ranges):
    assert byte_ranges(header, length) == ranges


@given(st.text(st.sampled_from("0123456789-, =bytes")), st.integers(0, 10_000))
def test_any_range_lies_within_the_file(text, length):
    for first, last in byte_ranges(f"bytes={text}", length) or []:
        assert 0 <= first <= last < length
