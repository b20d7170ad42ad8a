"""The backend's application factory."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from device_backend.devices import devices
from device_backend.store import DeviceStore
from device_backend.warmup import warmup
from workshop_service import Settings, create_service
from workshop_service.description import install_description


def create_backend(service: str, environ: Mapping[str, str] | None = None) -> Flask:
    """Make the backend called `service`; it starts, and stays healthy, without its database."""
    env = os.environ if environ is None else environ
    settings = Settings.from_environ(service, env)
    store = DeviceStore.from_environ(service, env)
    app = create_service(settings, __name__)
    install_description(app)
    app.register_blueprint(devices(store))
    app.register_blueprint(warmup(settings))
    return app
