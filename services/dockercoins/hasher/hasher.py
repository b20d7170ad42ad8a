"""hasher: the SHA-256 of what it is sent; as slow for one as for many at once."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from time import sleep

from flask import Flask, Response, request

from workshop_service import Settings, create_service, run
from workshop_service.description import install_description
from workshop_service.settings import work_seconds


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application from the environment (services/README.md)."""
    env = os.environ if environ is None else environ
    settings = Settings.from_environ("hasher", env)
    seconds = work_seconds(env)
    app = create_service(settings, __name__)
    install_description(app)

    @app.get("/")
    def index() -> Response:
        """Say who this is."""
        return Response(f"HASHER running on {settings.pod}\n", mimetype="text/plain")

    @app.post("/")
    def digest() -> Response:
        """Answer the body's SHA-256 in hex."""
        body = request.get_data()
        sleep(seconds)
        return Response(hashlib.sha256(body).hexdigest() + "\n", mimetype="text/plain")

    return app


if __name__ == "__main__":
    sys.exit(run("hasher", create_app))
