"""A service refuses settings that it cannot honour, in one sentence that says what to type."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from device_backend.store import DeviceStore
from front.settings import BackendSettings
from workshop_service import ConfigurationError, Settings

SERVICES = Path(__file__).resolve().parents[3] / "services"


def test_defaults_are_a_good_service() -> None:
    settings = Settings.from_environ("beth", {"VERSION": "0.3"})
    assert (settings.title, settings.version, settings.faults) == ("Beth", "0.3", frozenset())
    # services/README.md says these.
    assert (settings.port, settings.probe_port, settings.threads) == (8080, 8081, 128)
    assert (settings.drain_seconds, settings.graceful_seconds) == (5, 20)


def test_faults_are_a_list_of_known_names() -> None:
    settings = Settings.from_environ("beth", {"VERSION": "0.1", "FAULTS": "slow-version, fails-under-traffic"})
    assert settings.faults == {"slow-version", "fails-under-traffic"}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FAULTS", "slow", "FAULTS names 'slow', but the faults are fails-under-traffic, slow-version"),
        ("FAULTS", "slow-version,,", "FAULTS names ''"),
        ("FAULTS", "Slow-Version", "FAULTS names 'Slow-Version'"),
        ("VERSION", "", "VERSION is not set"),
        ("VERSION", "0.3 beta", "VERSION is '0.3 beta'"),
        ("PORT", "0", "PORT is '0', but must be a whole number from 1 to 65535: set PORT=8080"),
        ("PORT", "http", "PORT is 'http'"),
        ("THREADS", "1.5", "THREADS is '1.5'"),
        ("DRAIN_SECONDS", "-1", "DRAIN_SECONDS is '-1'"),
        ("DRAIN_SECONDS", "nan", "DRAIN_SECONDS is 'nan'"),
        ("GRACEFUL_SECONDS", "0", "GRACEFUL_SECONDS is '0'"),
        ("ROOM", "Blue Room", "ROOM is 'Blue Room'"),
        ("SERVICE_TITLE", "x" * 51, "SERVICE_TITLE is"),
    ],
)
def test_a_bad_setting_is_refused_by_name(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Settings.from_environ("aleph", {"VERSION": "0.3", name: value})
    assert str(refusal.value).startswith(says)


@pytest.mark.parametrize(
    "url", ["http://mongo", "mongodb+srv://mongo", "mongodb://", "mongodb://a:b:c/", "mongo:27017"]
)
def test_a_bad_database_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="set DATABASE_URL=mongodb://mongo:27017/"):
        DeviceStore.from_environ("aleph", {"DATABASE_URL": url})


def test_a_database_password_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        DeviceStore.from_environ("aleph", {"DATABASE_URL": "mongodb://user:s3cret@[mongo/"})
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    ["aleph", "https://aleph", "http://", "http://aleph/path", "http://me@aleph", "http://aleph:x", "http://aleph?q"],
)
def test_a_bad_backend_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"ALEPH_URL .* set ALEPH_URL=http://aleph"):
        BackendSettings.from_environ({"ALEPH_URL": url})


def test_the_process_ends_with_the_sentence_and_no_traceback() -> None:
    path = f"{SERVICES / 'common'}:{SERVICES / 'alephbeth/beth'}"
    ended = subprocess.run(
        [sys.executable, "-m", "beth"],
        env={"PYTHONPATH": path, "VERSION": "0.1", "FAULTS": "slow"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr == ""
    line = json.loads(ended.stdout)
    assert line["message"].startswith("beth does not start: FAULTS names 'slow'")
