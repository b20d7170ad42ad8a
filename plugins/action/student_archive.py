# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write students' work into files, or restore one. Documented in plugins/modules/student_archive.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.istio_games.workshop.plugins.module_utils.errors import WorkshopError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.actions.base import WorkshopAction
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.progress import say, show
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.places import Place
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import (
    archive,
    credentials,
    keeping,
    stages,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students.queue import side_by_side
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.command import (
    Asked,
    Command,
    shown,
)
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.stages import built_tags, staged_services
from ansible_collections.istio_games.workshop.plugins.plugin_utils.traffic.verdict import PROVEN


class ActionModule(WorkshopAction):
    """Thin: reads by `keeping`, writes by `archive`; restores by the same, and by a stage's `Command`."""

    def act(self, given: Mapping[str, Any]) -> dict[str, Any]:
        there = [stages.place(each) for each in given["places"]]
        if given["restore"]:
            return self._restore(Path(given["restore"]), there)
        meant, passed_over = stages.ready(there, given["all"], mend=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        done = side_by_side(meant, lambda place, _: self._archive(place, stamp), stages.Done.of, given["at_once"], say)
        written = {each.place.name: each.data["file"] for each in done if each.is_good}
        show(["", *(f"{name}: {file or 'nothing is written in check mode'}" for name, file in written.items())])
        show([*(line for each in done for line in each.data.get("told", ())), *passed_over, ""])
        failed = stages.failure(done)
        return {"files": written, "changed": bool(written), **({"failed": True, "msg": failed} if failed else {})}

    def _archive(self, place: Place, stamp: str) -> dict[str, Any]:
        given = self._given
        if self.check_mode:
            return {"file": ""}
        api = self.another_api()
        work = keeping.work_of(api, place, given["services"], self._names(), self.room, stamp)
        path = Path(given["directory"]) / f"{place.name}-{stamp}.tar.gz"
        archive.write(path, work, self._tags())
        return {"file": str(path), "told": keeping.without_stage(api, place, given["services"], work)}

    def _names(self) -> set[str]:
        """Name the application's own Deployments, in all versions."""
        given = self._given
        return {item["metadata"]["name"] for item in given["deployments"]} | {
            str(service["name"]) for service in given["services"]
        }

    def _tags(self) -> dict[str, list[str]]:
        """Give the versions that each service of the application has."""
        return {name: [*built_tags(data)] for name, data in staged_services(self._given["services"]).items()}

    def _restore(self, path: Path, there: list[Place]) -> dict[str, Any]:
        given = self._given
        work = archive.read(path, self._tags())
        place = self._meant(work.student if given["student"] is None else given["student"], there)
        stages.ready([place], everybody=False)
        self._refuse_ended(place, work)
        stands = keeping.refuse_used(self.api, place, given["services"], self._names(), work)
        check = self.check_mode
        added = keeping.restore_devices(self.api, place, given["services"], work, check)
        verdict = {} if stands else self._lead(place, work)
        made, refused = keeping.restore_own(Api.connect(place.kubeconfig), place, work, check)
        show(
            [
                *(shown(verdict) if verdict else [""]),
                f"{place.name} {'would get' if check else 'has'} the work of {work.student} of {work.made}: {added} "
                f"devices added, own objects: {', '.join(made) or 'none'}.",
                *refused,
            ]
        )
        wrong = [*(verdict["reasons"] if verdict and verdict["verdict"] != PROVEN else []), *refused]
        changed = bool(added or made or (verdict and verdict["objects"]))
        return {"changed": changed, **({"failed": True, "msg": "\n".join(wrong)} if wrong else {})}

    def _refuse_ended(self, place: Place, work: archive.Work) -> None:
        """Refuse a place whose kubeconfig is no good, with which own objects are made last of all."""
        if work.own and not credentials.lasts(self.api, place):
            raise WorkshopError(
                f"The kubeconfig of {place.name}, with which own objects are restored, is not there, or has ended or "
                f"is about to: renew it with ansible-playbook playbooks/class.yml -e student={place.name}, and restore "
                "then. Nothing was changed."
            )

    def _meant(self, wanted: str, there: list[Place]) -> Place:
        """Give the one place that an archive is restored into."""
        try:
            meant = places.select(wanted, [each for each in there if not each.own])
        except places.PlaceError as error:
            raise WorkshopError(
                f"{error} Make the place first with ansible-playbook playbooks/class.yml -e student=NAME, or restore "
                "into another one with -e student=NAME."
            ) from error
        if len(meant) != 1:
            raise WorkshopError(f"student is {wanted!r}, but an archive is restored into one place: name one.")
        return meant[0]

    def _lead(self, place: Place, work: archive.Work) -> dict[str, Any]:
        """Lead the services where the archive has them, as a stage does; nothing where no stage was taken."""
        given = self._given
        if not work.records:
            return {}
        images = self.images(self.api)
        check = self.check_mode
        where = stages.surroundings(place, given, self.api, self.another_api(), images, self.room, check, say)
        asked = Asked("restore", ",".join(work.records), records=work.records)
        verdict = Command(asked, where).run()
        if not check:
            stages.write(f"{place.directory}/stage.json", verdict)
        return verdict
