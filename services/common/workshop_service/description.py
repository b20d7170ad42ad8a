"""A service's interface as an OpenAPI description: its own `openapi.json`, and what every service has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flask import Flask

from workshop_service.application import service_of

COMMON = Path(__file__).parent


def install_description(app: Flask) -> None:
    """Publish the interface of an application that `create_service` has made, at /openapi.json."""
    described = _description(Path(app.root_path), service_of(app).settings.version)

    @app.get("/openapi.json")
    def openapi() -> dict[str, Any]:
        return described


def _description(directory: Path, version: str) -> dict[str, Any]:
    own, common = (json.loads((path / "openapi.json").read_text("utf-8")) for path in (directory, COMMON))
    parts = {
        kind: common["components"][kind] | own.get("components", {}).get(kind, {}) for kind in common["components"]
    }
    return {
        "openapi": common["openapi"],
        "info": own["info"] | {"version": version},
        "paths": own["paths"] | common["paths"],
        "components": parts,
    }
