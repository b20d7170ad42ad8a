"""A build's base image has the services' wheels, or the build does not begin."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.unit.bundle.conftest import content

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.wheels import missing_wheels

THERE = hashlib.sha256(content("services").encode()).hexdigest()
OTHER = "1" * 64
FRONT = [{"name": "front", "paths": ["alephbeth/front", "common"]}]


@pytest.mark.parametrize(
    ("requirements", "lacking"),
    [
        ("", ""),
        ("# nothing\n", ""),
        (f"flask==3.1 \\\n    --hash=sha256:{THERE}\n    # via\n    #   x\n", ""),
        (f"flask==3.1 \\\n    --hash=sha256:{OTHER} \\\n    --hash=sha256:{THERE}\n", ""),
        (f"flask==3.1 \\\n    --hash=sha256:{OTHER}\n", "flask==3.1"),
        (
            f"flask==3.1 \\\n    --hash=sha256:{THERE}\nredis[hiredis]==8 \\\n    --hash=sha256:{OTHER}\n",
            "redis[hiredis]==8",
        ),
        (f"b==1 \\\n    --hash=sha256:{OTHER}\na==2 \\\n    --hash=sha256:{OTHER}\n", "a==2, b==1"),
    ],
)
def test_what_the_bundle_has_no_wheel_of_is_named(
    requirements: str, lacking: str, bundle: Path, tmp_path: Path
) -> None:
    (tmp_path / "alephbeth/front").mkdir(parents=True)
    (tmp_path / "alephbeth/front/requirements.txt").write_text(requirements)
    found = missing_wheels(str(bundle), str(tmp_path), FRONT)
    if not lacking:
        assert found == []
    else:
        assert f"({bundle.name}) is older than its services need: it has no wheel of {lacking}, which" in found[0]
        assert "Type make up" in found[0]


def test_the_services_own_requirements_are_read(bundle: Path) -> None:
    """The little bundle has none of them."""
    services = Path(__file__).parents[3] / "services"
    (said,) = missing_wheels(str(bundle), str(services), [{"paths": ["alephbeth/front"]}])
    assert "flask==" in said
    assert "werkzeug==" in said
