# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes many small files at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """What a file is to be like."""

    path: str
    content: str
    mode: str = "0644"

    @property
    def bits(self) -> int:
        return int(self.mode, 8)


@dataclass(frozen=True)
class Change:
    """How a file differs from what it is to be like."""

    path: str
    before: str
    after: str


def differences(files: Iterable[File]) -> list[Change]:
    """Which files are not as they are to be, with their contents or, where only those differ, modes."""
    found = []
    for file in files:
        path = Path(file.path)
        before = path.read_text(errors="replace") if path.is_file() else ""
        mode = path.stat().st_mode & 0o7777 if path.is_file() else None
        if mode is None or before != file.content:
            found.append(Change(file.path, before, file.content))
        elif mode != file.bits:
            found.append(Change(file.path, f"mode {mode:04o}\n", f"mode {file.bits:04o}\n"))
    return found


def write(file: File) -> None:
    """Write a file, or leave the one that is there whole."""
    path = Path(file.path)
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, file.bits), "w") as stream:
        stream.write(file.content)
    draft.chmod(file.bits)
    draft.replace(path)
