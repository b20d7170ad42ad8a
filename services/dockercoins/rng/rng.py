"""rng: random bytes on request, one request at a time, like the slow device it stands for."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from time import sleep

from flask import Flask, Response, abort, request

from workshop_service import Settings, create_service, run
from workshop_service.description import install_description
from workshop_service.settings import work_seconds

MAX_BYTES = 1024 * 1024


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application from the environment (services/README.md)."""
    env = os.environ if environ is None else environ
    settings = Settings.from_environ("rng", env)
    seconds = work_seconds(env)
    app = create_service(settings, __name__)
    install_description(app)
    # What makes rng the bottleneck of many workers: 0.1 s a request is at most ten a second, however many ask.
    device = threading.Lock()

    @app.get("/")
    def index() -> Response:
        """Say who this is."""
        return Response(f"RNG running on {settings.pod}\n", mimetype="text/plain")

    @app.get("/<int:count>")
    def random_bytes(count: int) -> Response:
        """Answer so many random bytes."""
        if not request.path.isascii():  # other scripts' digits are numbers to werkzeug
            abort(404)
        if count > MAX_BYTES:
            abort(400, f"{count} bytes are too many: ask for at most {MAX_BYTES}, for example /32.")
        with device:
            sleep(seconds)
        return Response(os.urandom(count), mimetype="application/octet-stream")

    return app


if __name__ == "__main__":
    sys.exit(run("rng", create_app))
