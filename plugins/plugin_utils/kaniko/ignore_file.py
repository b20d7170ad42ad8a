# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a .dockerignore leaves out of a build's context: read and matched as Docker does it.

Docker reads the file with github.com/moby/patternmatcher/ignorefile, matches with patternmatcher, and walks the context
with github.com/tonistiigi/fsutil. Each step here is one of theirs, and the tests hold what they answered.
"""

from __future__ import annotations

import posixpath
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError

# What Go's strings.TrimSpace takes away: Python's str.strip would take \x1c to \x1f as well.
_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
# What has a meaning in an expression, and none in a pattern. (Docker does not escape `{`, `|` and `}`.)
_LITERAL = frozenset(".+()$")


class IgnoreFileError(WorkshopError):
    """A line is no pattern. The message is half a sentence: which line."""


@dataclass(frozen=True)
class _Pattern:
    """One line: whether a path is meant, and whether it is an exception."""

    matches: Callable[[str], bool]
    is_exception: bool


class IgnoreFile:
    """The lines of a .dockerignore.

    A pattern is one of Go's filepath.Match from the root of the context, with `**` for any number of directories; one
    that matches a directory holds for all that is below it, and the last one that matches decides.

    >>> ignore = IgnoreFile("# comment\\n*.in\\n**/secret.env\\ndocs/\\n!docs/README.md\\n")
    >>> [ignore.leaves_out(path) for path in ("a.in", "b/a.in", "b/c/secret.env", "docs/a.md", "docs/README.md")]
    [True, False, True, True, False]

    Raises:
        IgnoreFileError: a line is no pattern.
    """

    def __init__(self, text: str) -> None:
        self._patterns = []
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            try:
                self._patterns += _patterns(line)
            except (ValueError, re.error):
                shown = line.strip(_SPACE)
                raise IgnoreFileError(f"line {number} ({shown}) cannot be read as a pattern") from None
        self._asked: dict[str, tuple[tuple[bool, ...], bool]] = {}

    def leaves_out(self, path: str) -> bool:
        """Whether a path (relative to the root of the context, with slashes) stays out."""
        return self._ask(path)[1]

    def _ask(self, path: str) -> tuple[tuple[bool, ...], bool]:
        """Say of each pattern whether it matches a path or a directory above it, and whether the path stays out.

        As in Docker, a pattern is not asked where it would change nothing: an exception for what is not left out so
        far, any other for what is. So `a/b` and then `!a` leave `a/b` out, since `a` itself was not.
        """
        if path not in self._asked:
            above = posixpath.dirname(path)
            inherited = self._ask(above)[0] if above else (False,) * len(self._patterns)
            matches, out = [], False
            for pattern, matched in zip(self._patterns, inherited, strict=True):
                matches.append(matched or (pattern.is_exception == out and pattern.matches(path)))
                out = not pattern.is_exception if matches[-1] else out
            self._asked[path] = tuple(matches), out
        return self._asked[path]


def _patterns(line: str) -> list[_Pattern]:
    """Read a line: a pattern, or none."""
    line = line.removesuffix("\r")
    pattern = line.strip(_SPACE)
    if line.startswith("#") or not pattern:
        return []
    exception = pattern.startswith("!")
    if exception:
        pattern = pattern[1:].strip(_SPACE)
    if pattern:
        pattern = _clean(pattern)
        pattern = pattern[1:] if len(pattern) > 1 and pattern.startswith("/") else pattern
    # The matcher does both again, with the exclamation mark.
    pattern = (("!" if exception else "") + pattern).strip(_SPACE)
    if not pattern:
        return []
    pattern = _clean(pattern)
    exception = pattern.startswith("!")
    pattern = pattern[1:] if exception else pattern
    if not pattern:
        raise ValueError("an exception to nothing")
    _refuse_unreadable(pattern)
    return [_Pattern(_matcher(pattern), exception)]


def _clean(path: str) -> str:
    """Go's path.Clean; Python keeps two slashes at the beginning."""
    cleaned = posixpath.normpath(path)
    return cleaned[1:] if cleaned.startswith("//") else cleaned


# filepath.Match's grammar: a character, a class, or an escaped character.
_ESCAPED = r"\\[\x00-\x7f]"
_CLASS_CHARACTER = rf"(?:{_ESCAPED}|[^\\\]-])"
_READABLE = re.compile(rf"(?:\[\^?(?:{_CLASS_CHARACTER}(?:-{_CLASS_CHARACTER})?)+\]|{_ESCAPED}|[^\\\[])*", re.DOTALL)


# Go's `[[:alpha:]]`, which Python reads as other characters.
_NAMED_CLASS = re.compile(r"\[[^\]]*\[:.*:\]", re.DOTALL)


def _refuse_unreadable(pattern: str) -> None:
    if not _READABLE.fullmatch(pattern) or _NAMED_CLASS.search(pattern):
        raise ValueError("a class or an escape without its end, or a class by name")


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Give the function that says whether a path is meant."""
    if not re.search(r"[*?\[\]\\]", pattern):
        return lambda path: path == pattern
    if re.fullmatch(r"[^*?\[\]\\]*\*\*", pattern):
        return lambda path: path.startswith(pattern[:-2])
    if re.fullmatch(r"\*\*[^*?\[\]\\]*", pattern):
        suffix = pattern[2:]
        return lambda path: path.endswith(suffix) or (suffix.startswith("/") and path == suffix[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # `[[` and `&&` in a class, which mean nothing
        expression = re.compile(_expression(pattern), re.ASCII)
    return lambda path: expression.search(path) is not None


_DIRECTORIES = "(?:.*/)?"
_TOKEN = re.compile(r"(\*\*/?$)|(\*\*/?)|(\*)|(\?)|\\(.)|(.)", re.DOTALL)


def _expression(pattern: str) -> str:
    """Give a pattern as a regular expression."""

    def token(match: re.Match[str]) -> str:
        end, directories, star, one, escaped, character = match.groups()
        if end:
            return ".*"
        if directories:
            return _DIRECTORIES
        if star or one:
            return "[^/]*" if star else "[^/]"
        if escaped:
            return "\\" + escaped
        return "\\" + character if character in _LITERAL else character

    expression = _TOKEN.sub(token, pattern)
    # Several in a row are one, and would take ages to say that a path is none of theirs.
    return rf"^{re.sub(rf'({re.escape(_DIRECTORIES)})+', lambda _: _DIRECTORIES, expression)}\Z"
