# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make a kit of a bundle, and push it. Documented in plugins/modules/kit_export.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.errors import unusable
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_export import Request, export
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_push import check_push, push
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_reader import read_manifest
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_writer import one_writer
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.store import locked
from ansible_collections.istio_games.workshop.plugins.plugin_utils.paths import expanded
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say


class ActionModule(WorkshopAction):
    """Thin: arguments in, `export` and `push`, result out."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        if not given["file"]:
            raise KitError("kit_file must name the file to write: for example -e kit_file=/media/stick/workshop.kit.")
        file, cache = expanded(given["file"]).absolute(), Path(given["cache_dir"]).absolute()
        suites = tuple(dict.fromkeys(suite.strip() for suite in given["suites"] if suite.strip()))
        request = Request(file, suites, given["debian_mirror"], given["sign_key"])
        try:
            request.check(cache)
            if given["push"]:
                check_push(given["push"], given["login"], given["ca"])
            if not given["bundle"]:
                return {}
            if self.check_mode:
                return {"changed": True, "file": str(file)}
            with locked(cache, self._say), one_writer(file, self._say):
                return self._export(request, cache / "kits/fetched", given)
        except OSError as error:
            raise KitError(f"The kit cannot be made: {unusable(error, cache)}") from error

    def _export(self, request: Request, fetched: Path, given: Mapping[str, Any]) -> dict[str, Any]:
        started = time.monotonic()
        bundle, project = Path(given["bundle"]), Path(given["project"])
        self.result["changed"] = export(request, project, bundle, fetched, self._say)
        seconds = round(time.monotonic() - started, 1)
        result = {"file": str(request.file), "size": request.file.stat().st_size, "seconds": seconds}
        if given["push"]:
            manifest = read_manifest(request.file)
            options = (self._say, given["login"], given["ca"])
            result["pushed"] = push(request.file, manifest, given["push"], fetched, *options)
            self.result["changed"] = True
        return result

    @staticmethod
    def _say(text: str) -> None:
        say(f"kit: {text}")
