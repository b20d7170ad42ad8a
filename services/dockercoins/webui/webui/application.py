"""webui's application factory."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, jsonify, render_template
from flask.typing import ResponseReturnValue
from redis import Redis, RedisError

from workshop_page import install_page
from workshop_service import Settings, create_service
from workshop_service.settings import number

# What the workers write (dockercoins/worker).
HASHES, WALLET = "hashes", "wallet"
REDIS_SECONDS = 3.0


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application from the environment (services/README.md)."""
    env = os.environ if environ is None else environ
    app = create_service(Settings.from_environ("webui", env), __name__)
    install_page(app)
    host = env.get("REDIS_HOST", "").strip() or "redis"
    port = int(number(env, "REDIS_PORT", 6379, low=1, high=65535, integer=True))
    redis = Redis(host, port, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS)

    @app.get("/")
    def index() -> str:
        """Show the page; its script asks /json every second."""
        return render_template("webui.html")

    @app.get("/json")
    def counters() -> ResponseReturnValue:
        """Answer the number of coins, of hashes, and the time (seconds since 1970) at which they were read."""
        try:
            with redis.pipeline() as pipeline:
                pipeline.hlen(WALLET)
                pipeline.get(HASHES)
                found: list[Any] = pipeline.execute()
        except RedisError as error:
            return jsonify(error=f"redis at {host} does not answer: {error}"), 503
        coins, hashes = found
        return jsonify(coins=coins, hashes=int(hashes or 0), now=time.time())

    return app
