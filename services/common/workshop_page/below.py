"""Pages below a path: a proxy that takes the path's beginning off a request names it in X-Forwarded-Prefix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from workshop_service.errors import REFUSAL

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# One hop's. Anybody may send the header to a NodePort: nothing of it may mean more in an address, a header or a page.
_PREFIX = re.compile(rf"(?:/{_NAME}){{1,4}}/?")


class BelowPath:
    """A WSGI application that may be below a path: without X-Forwarded-Prefix it is asked as ever.

    With one, X-Forwarded-Proto counts too: whether the browser's connection is encrypted is known to that proxy alone.
    """

    def __init__(self, application: Application) -> None:
        self._plain = application
        self._below = ProxyFix(application, x_for=0, x_proto=1, x_host=0, x_prefix=1)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request; a prefix that is none is refused."""
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "")
        if not prefix:
            return self._plain(environ, start_response)
        if _PREFIX.fullmatch(prefix) is None:
            reason = (
                "X-Forwarded-Prefix must be one path like /student-07/front: 1 to 4 names of lower-case letters, "
                "digits and hyphens."
            )
            return self._plain({REFUSAL: (400, reason), **environ}, start_response)
        if environ.get("HTTP_X_FORWARDED_PROTO") != "https":
            environ["HTTP_X_FORWARDED_PROTO"] = "http"
        return self._below(environ, start_response)
