"""webui's application factory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask, jsonify, render_template
from flask.typing import ResponseReturnValue

from coin_store import CoinStore, StoreError
from webui.speed import Watch
from workshop_page import install_page
from workshop_service import Settings, create_service
from workshop_service.description import install_description

# To connect, and again for the answer: together less than the 3 s within which /json says that redis is silent.
REDIS_SECONDS = 1.0


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application from the environment (services/README.md)."""
    env = os.environ if environ is None else environ
    app = create_service(Settings.from_environ("webui", env), __name__)
    install_description(app)
    install_page(app)
    watch = Watch(CoinStore.from_environ(env, REDIS_SECONDS).read)

    @app.get("/")
    def index() -> str:
        """Show the page; its script asks /json every second."""
        return render_template("webui.html")

    @app.get("/json")
    def counters() -> ResponseReturnValue:
        """Answer the coins, the hashes, the time (seconds since 1970) they were read at, and the hashes a second."""
        try:
            reading = watch.latest()
        except StoreError as error:
            return jsonify(error=str(error)), 503, {"Retry-After": "1"}
        found = reading.counters
        return jsonify(coins=found.coins, hashes=found.hashes, now=reading.now, speed=reading.speed)

    return app
