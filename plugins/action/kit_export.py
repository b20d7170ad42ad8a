# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a kit of a bundle, and push it. Documented in plugins/modules/kit_export.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_export import Request, export
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_push import check_target, push
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import read_manifest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `export` and `push`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if not given["file"]:
            raise KitError("kit_file must name the file to write: for example -e kit_file=/media/stick/workshop.kit.")
        file = Path(given["file"]).absolute()
        request = Request(file, tuple(given["suites"]), given["debian_mirror"], given["sign_key"])
        request.check()
        if given["push"]:
            check_target(given["push"])
        if not given["bundle"]:
            return {}
        if self.check_mode:
            return {"changed": True, "file": str(file)}
        fetched = Path(given["cache_dir"]).absolute() / "kits/fetched"
        started = time.monotonic()
        self.result["changed"] = export(request, Path(given["project"]), Path(given["bundle"]), fetched, {}, self._say)
        seconds = round(time.monotonic() - started, 1)
        result = {"file": str(file), "size": file.stat().st_size, "seconds": seconds}
        if given["push"]:
            manifest = read_manifest(file)
            result["pushed"] = push(file, manifest, given["push"], fetched, self._say, given["login"], given["ca"])
            self.result["changed"] = True
        return result

    @staticmethod
    def _say(text: str) -> None:
        say(f"kit: {text}")
