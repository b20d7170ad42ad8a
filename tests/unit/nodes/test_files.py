"""Files are written when they differ, and only then."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.istio_games.workshop.plugins.module_utils.nodes.files import Change, File, differences, write


def test_a_missing_file_is_written_with_its_directories_and_mode(tmp_path: Path) -> None:
    file = File(str(tmp_path / "b" / "a" / "run"), "#!/bin/sh\n", "0755")
    assert differences([file]) == [Change(file.path, "", "#!/bin/sh\n")]
    write(file)
    assert Path(file.path).stat().st_mode & 0o777 == 0o755
    assert differences([file]) == []
    assert [path.name for path in (tmp_path / "b" / "a").iterdir()] == ["run"]


def test_contents_and_modes_are_compared(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old\n")
    path.chmod(0o644)
    assert differences([File(str(path), "new\n")]) == [Change(str(path), "old\n", "new\n")]
    assert differences([File(str(path), "old\n", "0600")]) == [Change(str(path), "mode 0644\n", "mode 0600\n")]
    assert differences([File(str(path), "old\n", "0755")]) == [Change(str(path), "mode 0644\n", "mode 0755\n")]


def test_an_empty_file_is_a_file(tmp_path: Path) -> None:
    file = File(str(tmp_path / "empty"), "")
    assert len(differences([file])) == 1
    write(file)
    assert differences([file]) == []
