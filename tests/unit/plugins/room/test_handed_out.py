"""Who plays a playbook with a student's kubeconfig is told what to ask for."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.istio_games.workshop.plugins.plugin_utils.room import handed_out, places
from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import credentials

ROOT = Path(__file__).resolve().parents[4]
ADMIN = {
    "current-context": "blue",
    "contexts": [{"name": "blue", "context": {"cluster": "blue"}}],
    "clusters": [{"name": "blue", "cluster": {"server": "https://127.0.0.1:6443"}}],
}


def token(subject: Any) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"sub": subject}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def write(path: Path, secret: str) -> str:
    path.write_text(yaml.safe_dump(credentials.kubeconfig(places.of_student("anna", "/state"), ADMIN, secret)))
    return str(path)


@pytest.mark.parametrize(
    ("secret", "student"),
    [
        (token("system:serviceaccount:anna:student"), "anna"),
        (token("system:serviceaccount:anna:default"), ""),
        (token("anna@example.org"), ""),
        (token(3), ""),
        ("an-opaque-token", ""),
        ("", ""),
    ],
)
def test_a_student_s_is_known_by_its_token(tmp_path: Path, secret: str, student: str) -> None:
    assert handed_out.student_of(write(tmp_path / "kubeconfig", secret)) == student


@pytest.mark.parametrize("text", ["", "[", "a: b", yaml.safe_dump(ADMIN), "contexts: 3\ncurrent-context: x"])
def test_any_other_file_is_nobody_s(tmp_path: Path, text: str) -> None:
    (tmp_path / "kubeconfig").write_text(text)
    assert handed_out.refusal(str(tmp_path / "kubeconfig")) == ""
    assert handed_out.refusal(str(tmp_path / "none")) == ""


@pytest.mark.parametrize("playbook", ["teardown", "deploy", "plan", "mirror", "class", ""])
def test_what_is_to_be_asked_for_is_taken_with_a_student(tmp_path: Path, playbook: str) -> None:
    said = handed_out.refusal(write(tmp_path / "kubeconfig", token("system:serviceaccount:anna:student")), playbook)
    asked = "ansible-playbook playbooks/" in said
    assert asked is (playbook in {"mirror", "class", ""})
    assert asked or said.endswith(f"{playbook}.yml is for the whole room, and for whoever has made it.")


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_who_plays_a_stage_with_it_is_told_what_to_ask_for(tmp_path: Path, by: str) -> None:
    file = write(tmp_path / "kubeconfig", token("system:serviceaccount:anna:student"))
    given = ["-e", f"workshop_kubeconfig={file}"] if by == "setting" else []
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    done = subprocess.run(
        [program, "playbooks/rollout.yml", "-e", "weight=50", *given],
        cwd=ROOT,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "KUBECONFIG": file if not given else ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert f"{file} is the kubeconfig of anna, which is for kubectl in that place" in said
    assert "type ansible-playbook playbooks/rollout.yml -e student=anna with the rest" in said
