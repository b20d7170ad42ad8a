# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that reads how a mesh differs from the one that is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

# kubectl names a file KIND.VERSION.NAMESPACE.NAME for each object; a new object's file is empty on the live side.
_OBJECT = re.compile(r"^diff -u -N \S+/LIVE-\d+/(\S+) ", re.MULTILINE)
# istiod itself changes its webhooks: their certificate, whether they may fail, whom they select.
_WEBHOOK = "WebhookConfiguration."


def mesh_differences(output: str) -> list[str]:
    """Name the objects that `kubectl diff` found different; a webhook counts only when it is missing.

    Output that is no diff is one difference: the mesh is another one.

    >>> mesh_differences("installed: nothing, wanted: 0123")
    ['installed: nothing, wanted: 0123']
    """
    if output.strip() and not output.startswith("diff "):
        return [output.strip()]
    found = []
    for part in re.split(r"(?m)^(?=diff -u )", output):
        name = _OBJECT.search(part)
        if name and (_WEBHOOK not in name[1] or "\n@@ -0,0 " in part):
            found.append(name[1])
    return found


class FilterModule:
    """Filters of the mesh."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name them."""
        return {"mesh_differences": mesh_differences}
