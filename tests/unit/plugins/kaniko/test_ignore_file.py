"""A .dockerignore leaves out what Docker leaves out.

What stands in the tables is what Docker's own code answered (moby/patternmatcher 0.6.1 with its ignorefile, walked by
tonistiigi/fsutil as BuildKit does, over these very files); beside them, 80,000 generated files were compared with it.
"""

from __future__ import annotations

import re

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.kaniko.ignore_file import IgnoreFile, IgnoreFileError

FILES = (
    *("a.py", "b.py", "y", "xy", "x.y", "xay", "x/y", "x/d/y", "xa/by", "a/b", "a/x/b", "a/x/y/b", "ab"),
    *("docs/R.md", "docs/a.md", "docs/d/b.md", "docs/d/R.md", ".env", "app/.env", "A.PY"),
    *("a^b", "a-b", "!x", "#x", "a[b]", "a+b(c)", "{x}"),
)

LEFT_OUT = [
    ("", ""),
    ("# x*\n #x", "#x"),
    ("#x\n\\#x", "#x"),
    ("\n \n\t\n", ""),
    ("\ufeffx", "x/y x/d/y"),
    ("\ufeff# x\nxy", "xy"),
    ("x\r\nxy\r\n", "xy x/y x/d/y"),
    ("x\rxy", ""),
    ("x\fxy", ""),
    ("  x  \n\txy\t", "xy x/y x/d/y"),
    ("/x", "x/y x/d/y"),
    ("//x", "x/y x/d/y"),
    ("./x", "x/y x/d/y"),
    ("././x/", "x/y x/d/y"),
    ("x/", "x/y x/d/y"),
    ("x//y", "x/y"),
    ("x/./y", "x/y"),
    ("a/../x", "x/y x/d/y"),
    ("../x", ""),
    ("/../x", "x/y x/d/y"),
    (".", ""),
    ("/", ""),
    ("./", ""),
    ("..", ""),
    ("!.", ""),
    ("!/x\n", ""),
    ("x**y", "xy x/y x/d/y"),
    ("**x**", "xy x.y xay x/y x/d/y xa/by a/x/b a/x/y/b"),
    ("x**", "xy x.y xay x/y x/d/y xa/by"),
    ("**y", "a.py b.py y xy x.y xay x/y x/d/y xa/by a/x/y/b"),
    ("**/y", "y x/y x/d/y a/x/y/b"),
    ("a/**/b", "a/b a/x/b a/x/y/b"),
    ("a/**", "a/b a/x/b a/x/y/b"),
    ("a/**b", "a/b a/x/b a/x/y/b"),
    ("**/b", "a/b a/x/b a/x/y/b"),
    ("**/**/b", "a/b a/x/b a/x/y/b"),
    ("**/x/**", "x/y x/d/y a/x/b a/x/y/b"),
    ("**/d/**", "x/d/y docs/d/b.md docs/d/R.md"),
    ("**.py", "a.py b.py"),
    ("**a*", "a.py a/b a/x/b a/x/y/b ab docs/a.md app/.env a^b a-b a[b] a+b(c)"),
    ("a**b", "a/b a/x/b a/x/y/b ab"),
    ("?", "y x/y x/d/y a/b a/x/b a/x/y/b"),
    ("??", "xy xa/by ab !x #x"),
    ("*.py", "a.py b.py"),
    ("*.PY", "A.PY"),
    ("docs/*.md", "docs/R.md docs/a.md"),
    ("docs/*", "docs/R.md docs/a.md docs/d/b.md docs/d/R.md"),
    ("docs/*/*", "docs/d/b.md docs/d/R.md"),
    ("*/R.md", "docs/R.md"),
    ("**/R.md", "docs/R.md docs/d/R.md"),
    ("**/.env", ".env app/.env"),
    (".env", ".env"),
    (".*", ".env"),
    ("*/.env", "app/.env"),
    ("[ab]*", "a.py b.py a/b a/x/b a/x/y/b ab app/.env a^b a-b a[b] a+b(c)"),
    ("[!ab]*", "a.py b.py a/b a/x/b a/x/y/b ab app/.env a^b a-b !x a[b] a+b(c)"),
    ("a[+\\-^]b*", "a^b a-b a+b(c)"),
    ("a[\\^\\-]b", "a^b a-b"),
    ("[a-c].py", "a.py b.py"),
    ("[b-z].py", "b.py"),
    ("a\\[b\\]", "a[b]"),
    ("a[[]b]", "a[b]"),
    ("\\!x", "!x"),
    ("a^b", "a^b"),
    ("a^*", ""),
    ("a+b(c)", "a+b(c)"),
    ("{x}", "{x}"),
    ("{x*", "{x}"),
    ("docs\n!docs/R.md", "docs/a.md docs/d/b.md docs/d/R.md"),
    ("docs/**\n!docs/**/R.md", "docs/a.md docs/d/b.md"),
    ("docs\n!docs/d\ndocs/d/b.md", "docs/R.md docs/a.md docs/d/b.md"),
    ("!a.py\n*.py", "a.py b.py"),
    ("*.py\n!a.py\n*.py", "a.py b.py"),
    ("a\n!a/x/y\n**/b", "a/b a/x/b a/x/y/b"),
    ("! a.py\n*.py\n! a.py", "b.py"),
    ("*.py\n!!x\n!/a.py", "b.py"),
    ("x\n!!x", "x/y x/d/y"),
    ("!x\nx", "x/y x/d/y"),
    ("*.py\n!./a.py/", "b.py"),
    ("*.py\n!b/../a.py", "b.py"),
    ("!../../x", "x/y x/d/y"),
    ("**/*.md\n!R.md", "docs/R.md docs/a.md docs/d/b.md docs/d/R.md"),
    ("**/*.md\n!**/R.md", "docs/a.md docs/d/b.md"),
]
KEPT = [
    ("**", ""),
    ("**/", ""),
    ("**/*", ""),
    ("***", ""),
    ("*/**", "a.py b.py y xy x.y xay ab .env A.PY a^b a-b !x #x a[b] a+b(c) {x}"),
    ("*", ""),
    ("*/*", "a.py b.py y xy x.y xay ab .env A.PY a^b a-b !x #x a[b] a+b(c) {x}"),
    ("[^ab]*", "a.py b.py a/b a/x/b a/x/y/b ab app/.env a^b a-b a[b] a+b(c)"),
    ("x|a*", "b.py y docs/R.md docs/d/b.md docs/d/R.md .env A.PY !x #x {x}"),
    ("*\n!a.py", "a.py"),
    ("**\n!a/**", "a/b a/x/b a/x/y/b"),
    ("**\n!a/x", "a/x/b a/x/y/b"),
    ("*\n!x/y", "x/y"),
    ("*\n!x\n*", ""),
    # Where an exception is not asked, since nothing was left out so far, it does not hold for what is below either;
    # and a pattern that is not asked since all of it is left out already does not hold for what an exception keeps.
    (
        "a/x\n!a",
        "a.py b.py y xy x.y xay x/y x/d/y xa/by a/b ab docs/R.md docs/a.md docs/d/b.md docs/d/R.md .env "
        "app/.env A.PY a^b a-b !x #x a[b] a+b(c) {x}",
    ),
    (
        "**/y\n!x",
        "a.py b.py xy x.y xay xa/by a/b a/x/b ab docs/R.md docs/a.md docs/d/b.md docs/d/R.md .env "
        "app/.env A.PY a^b a-b !x #x a[b] a+b(c) {x}",
    ),
    ("a\n!a/x\n*", "a/x/b a/x/y/b"),
]
REFUSED = [
    ("!", 1, "!"),
    ("x\n\n! ", 3, "!"),
    ("!/", 1, "!/"),
    ("[a", 1, "[a"),
    ("*[", 1, "*["),
    ("[]a]", 1, "[]a]"),
    ("[^]", 1, "[^]"),
    ("[a-]", 1, "[a-]"),
    ("x[-a]", 1, "x[-a]"),
    ("[b-a]", 1, "[b-a]"),
    ("# x\r\n [a\\] \r\n", 2, "[a\\]"),
    ("x\n\\", 2, "\\"),
    ("x \\ \n", 1, "x \\"),
    ("\\x", 1, "\\x"),
    ("\\é", 1, "\\é"),
    ("[[:alpha:]]", 1, "[[:alpha:]]"),  # this one Docker takes
]


def left_out(text: str) -> list[str]:
    ignore = IgnoreFile(text)
    return [name for name in FILES if ignore.leaves_out(name)]


@pytest.mark.parametrize(("text", "names"), LEFT_OUT)
def test_it_leaves_out_what_docker_does(text: str, names: str) -> None:
    assert left_out(text) == names.split()


@pytest.mark.parametrize(("text", "names"), KEPT)
def test_it_keeps_what_docker_does(text: str, names: str) -> None:
    assert [name for name in FILES if name not in left_out(text)] == names.split()


@pytest.mark.parametrize(("text", "line", "shown"), REFUSED)
def test_a_line_that_is_no_pattern_is_named(text: str, line: int, shown: str) -> None:
    with pytest.raises(IgnoreFileError, match=rf"^line {line} \({re.escape(shown)}\) cannot be read as a pattern"):
        IgnoreFile(text)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["[[a]x", "[a&&b]", "[a~~b]", "[a||b]"])
def test_a_class_means_its_characters(text: str) -> None:
    ignore = IgnoreFile(text)
    assert ignore.leaves_out("ax" if text.endswith("x") else "a")
    assert not ignore.leaves_out("x")


def test_many_directories_are_asked_for_at_once() -> None:
    ignore = IgnoreFile("**/" * 40 + "*x\n" + "a/" + "**/" * 40 + "*y")
    deep = "a/" * 60
    assert [ignore.leaves_out(f"{deep}{name}") for name in ("x", "y", "z")] == [True, True, False]


def test_the_order_of_the_questions_does_not_matter() -> None:
    text = "a\n!a/x\n*\n**/y"
    ignore = IgnoreFile(text)
    assert [name for name in reversed(FILES) if ignore.leaves_out(name)] == left_out(text)[::-1]
