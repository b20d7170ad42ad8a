# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands of the load client (`python -m load`), carried out in its pod, one after the other by one program."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s import pod_exec
from ansible_collections.istio_games.workshop.plugins.plugin_utils.k8s.api import Api
from ansible_collections.istio_games.workshop.plugins.plugin_utils.outermost import Outermost

# What a command may take.
RUN_SECONDS = 300
# Of an answer that makes no sense; a student's pod may say anything.
SHOWN = 200
# Does what lines of its standard input say, and answers each by a line: a command's words in, and out
# [exit code, output, errors], as JSON. Any load client has what it imports.
FOLLOW = """\
import contextlib, io, json, sys
from load.__main__ import main

class Errors(io.StringIO):
    def write(self, text):
        sys.__stderr__.write(text)
        sys.__stderr__.flush()
        return super().write(text)

for line in sys.stdin:
    said, errors = io.StringIO(), Errors()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
            code = main(json.loads(line))
    except SystemExit as end:
        code = end.code
    print(json.dumps([code, said.getvalue(), errors.getvalue()]), flush=True)
"""


class Following:
    """The program in a load client's pod, for as long as somebody is connected."""

    def __init__(self, api: Api, say: Callable[[str], None]) -> None:
        self._api = api
        self._say = say
        self._dialogue: tuple[pod_exec.Container, pod_exec.Dialogue] | None = None
        # Within it the program is kept for all that is asked.
        self.kept = Outermost(self._hang_up)

    def ask(self, where: pod_exec.Container, command: Sequence[str]) -> dict[str, Any]:
        """Have a command of `python -m load` carried out, and give its summary.

        Args:
            where: the load client's container.
            command: its words, without `python -m load`.

        Raises:
            ExecError: it failed, or gave no summary.
        """
        doing = f"python -m load {command[0]} in pod {where.pod}"
        with self.kept:
            said = self._answer(where, doing, json.dumps(command))
        try:
            code, output, errors = json.loads(said)
            if not code:
                return dict(json.loads(output))
        except (TypeError, ValueError, RecursionError) as error:
            raise pod_exec.ExecError(f"{doing} gave no summary: {said[:SHOWN]!r}") from error
        last = (str(errors).strip().splitlines() or ["no word"])[-1]
        raise pod_exec.ExecError(f"{doing} failed: {last} (exit code {code})")

    def _answer(self, where: pod_exec.Container, doing: str, line: str) -> str:
        """Ask in the dialogue that is open, or else in a new one."""
        try:
            if self._dialogue and self._dialogue[0] == where:
                # The API server may have been away since the last question; and any may be asked again.
                with suppress(pod_exec.CutOffError):
                    return self._dialogue[1].ask(doing, line, RUN_SECONDS)
            self._hang_up()
            begun = pod_exec.Dialogue(self._api, where, ["python", "-c", FOLLOW], self._say)
            self._dialogue = where, begun
            return begun.ask(doing, line, RUN_SECONDS)
        except BaseException:  # its answer must not be taken for the next question's
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        if self._dialogue:
            self._dialogue[1].close()
        self._dialogue = None
