"""Which of an inventory's sources are a room's."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room.inventory import concerns_room


@pytest.mark.parametrize(
    ("text", "concerns"),
    [
        ("all: {hosts: {control-plane: }}", True),
        ("all: {vars: {workshop_load_rate: 7}}", True),
        ("all: {vars: {my_own: 7}}", True),
        # What molecule hands to every play, from another directory in each scenario.
        ("all: {vars: {molecule_file: x, molecule_no_log: false}}\nungrouped: {vars: {}}", False),
        ("all: {vars: {awx_job_id: 7, tower_user_id: 1}}", False),
        ("all: {}", False),
    ],
)
def test_a_source_without_hosts_and_settings_is_no_rooms(tmp_path: Path, text: str, concerns: bool) -> None:
    directory = tmp_path / "inventory"
    directory.mkdir()
    (directory / "ansible_inventory.yml").write_text(text + "\n")
    assert concerns_room(DataLoader(), str(directory)) is concerns
    assert concerns_room(DataLoader(), str(directory / "ansible_inventory.yml")) is concerns


def test_variables_in_files_beside_a_source_are_read(tmp_path: Path) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("workshop_load_rate: 7\n")
    (tmp_path / "empty.yml").write_text("all: {}\n")
    assert concerns_room(DataLoader(), str(tmp_path / "empty.yml"))
