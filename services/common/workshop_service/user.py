"""The `user` cookie that the dark launch routes by."""

from __future__ import annotations

import re

COOKIE = "user"
# No quotes, spaces, commas or semicolons: the value means the same to us, to a browser and to the mesh's pattern.
USER_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")


def valid_user(name: str) -> bool:
    """Tell whether a name may become the cookie's value."""
    return USER_PATTERN.fullmatch(name) is not None


def cookie_name(room: str, below: str = "") -> str:
    """Name the cookie that a page sets which is below a path, or at the root of its host.

    Cookies ignore ports, so that two rooms of a machine share theirs; and one of the root goes to pages below it, too.

    >>> cookie_name("blue"), cookie_name("blue", "/student-07/front"), cookie_name("")
    ('user-blue', 'user-blue.student-07.front', 'user')
    """
    return (f"{COOKIE}-{room}" if room else COOKIE) + below.replace("/", ".")


def user_cookies(header: str, room: str = "", below: str = "") -> list[str]:
    """Give the valid values of the page's own cookies, or, without one, of those called exactly `user`, in their order.

    The raw header is read on purpose. A parser that unquotes, or picks one of two, would make the mesh
    behind us route otherwise than the mesh in front of us.
    """
    pairs = [pair.strip().partition("=") for pair in header.split(";")]
    for cookie in (cookie_name(room, below), COOKIE):
        users = [value for name, _, value in pairs if name == cookie and valid_user(value)]
        if users:
            return users
    return []
