"""pip's settings, wherever they stand, are uv's too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.scripts import load

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = load(ROOT / "scripts/uv_settings.py")
ALWAYS = {"UV_SYSTEM_CERTS": "true", "UV_INDEX_STRATEGY": "unsafe-best-match"}


@pytest.mark.parametrize(
    ("pip", "environment", "uv"),
    [
        ({}, {}, {}),
        ({"index-url": "https://m.example/simple"}, {}, {"UV_DEFAULT_INDEX": "https://m.example/simple"}),
        ({"extra-index-url": "\nhttps://a.example\nhttps://b.example"}, {}, {"UV_INDEX": "https://a.example https://b.example"}),
        ({"find-links": "/ https://c.example/wheels /no-such-directory"}, {}, {"UV_FIND_LINKS": "/,https://c.example/wheels"}),
        ({"find-links": "/no-such-directory"}, {}, {}),
        ({"trusted-host": "a.example b.example"}, {}, {"UV_INSECURE_HOST": "a.example b.example"}),
        ({"no-index": "true"}, {}, {"UV_OFFLINE": "true"}),
        ({"timeout": "60", "retries": "9"}, {}, {"UV_HTTP_TIMEOUT": "60", "UV_HTTP_RETRIES": "9"}),
        ({"cert": "/ca.pem", "proxy": "http://p:1"}, {}, {"SSL_CERT_FILE": "/ca.pem", "ALL_PROXY": "http://p:1"}),
        ({}, {"REQUESTS_CA_BUNDLE": "/ca.pem"}, {"SSL_CERT_FILE": "/ca.pem"}),
        ({"cert": "/own.pem"}, {"REQUESTS_CA_BUNDLE": "/ca.pem"}, {"SSL_CERT_FILE": "/own.pem"}),
        # What uv was told itself stays.
        ({"index-url": "https://m.example"}, {"UV_DEFAULT_INDEX": "https://u.example"}, {}),
        ({"no-cache-dir": "true", "require-virtualenv": "true"}, {}, {}),
    ],
)  # fmt: skip
def test_each_setting_has_uv_s_name(pip: dict[str, str], environment: dict[str, str], uv: dict[str, str]) -> None:
    assert dict(SCRIPT.uv_settings(pip, environment)) == ALWAYS | uv


def test_what_is_nearer_to_the_command_wins_as_with_pip(tmp_path: Path) -> None:
    """Asked from a real pip, with a file and the environment."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example/simple\ntimeout = 5\nretries = 1\n[install]\ntimeout = 7\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.upper().startswith(("PIP_", "UV_"))}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/uv_settings.py"],
        env=plain | {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_RETRIES": "3", "HOME": str(tmp_path)},
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    found = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert found["UV_DEFAULT_INDEX"] == "https://a.example/simple"
    assert (found["UV_HTTP_TIMEOUT"], found["UV_HTTP_RETRIES"]) == ("7", "3")
