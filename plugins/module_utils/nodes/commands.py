# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the administrator's programs of a machine."""

from __future__ import annotations

import os
import subprocess

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.host_reader import COMMAND_PATH


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, with its messages in English.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` says why.
        OSError: it is not there.
    """
    environment = {**os.environ, "PATH": COMMAND_PATH, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
