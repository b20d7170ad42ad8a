"""front's application factory and its pages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from flask import Flask, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from front.backends import Backends
from front.settings import BackendSettings
from workshop_page import error_page, install_page
from workshop_service import Settings, create_service
from workshop_service.application import service_of
from workshop_service.description import install_description
from workshop_service.tracing import trace_headers
from workshop_service.user import COOKIE, cookie_name, user_cookies, valid_user

COOKIE_SECONDS = 12 * 3600


def create_app(environ: Mapping[str, str] | None = None) -> Flask:
    """Make the application from the environment (services/README.md)."""
    env = os.environ if environ is None else environ
    settings = Settings.from_environ("front", env)
    backend_settings = BackendSettings.from_environ(env)
    app = create_service(settings, __name__, error_page=_error_page)
    install_description(app)
    install_page(app)

    def users() -> list[str]:
        return user_cookies(request.headers.get("Cookie", ""), settings.room, request.script_root)

    def own_cookie() -> dict[str, Any]:
        """Give what makes the cookie this page's own: other pages below the same host have others."""
        below = request.script_root
        name = cookie_name(settings.room, below)
        return {"key": name, "path": f"{below}/", "httponly": True, "samesite": "Lax", "secure": request.is_secure}

    def user() -> str | None:
        return next(iter(users()), None)

    def forwarded() -> dict[str, str]:
        """Give the headers that the backends may see: the trace, and who the user is."""
        cookie = {"Cookie": "; ".join(f"{COOKIE}={name}" for name in users())} if users() else {}
        return {**trace_headers(), **cookie}

    backends = Backends(backend_settings, f"workshop-front/{settings.version}", service_of(app).registry)

    @app.get("/")
    def index() -> str:
        """Say what this is and where to go."""
        return render_template("index.html")

    @app.get("/backends")
    def show_backends() -> ResponseReturnValue:
        """Show which version of each backend answered: a page for browsers, JSON for programs and curl."""
        answers = backends.ask(forwarded())
        if _wants_page():
            response = app.make_response(render_template("backends.html", answers=answers))
        else:
            response = jsonify(user=user(), backends=[answer.as_dict() for answer in answers])
        response.vary.add("Accept")
        response.vary.add("Cookie")
        return response

    @app.get("/login")
    def login_form() -> str:
        """Ask for a name."""
        return render_template("login.html", reason=None, given=user() or "developer")

    @app.post("/login")
    def login() -> ResponseReturnValue:
        """Set the cookie. It proves nothing and protects nothing: it is what the dark launch routes by."""
        _refuse_other_sites()
        name = request.form.get("user", "").strip()
        if not valid_user(name):
            reason = (
                "A name is 1 to 32 letters, digits, dots, hyphens or underscores, and begins with a letter or digit."
            )
            if _wants_page():
                return render_template("login.html", reason=reason, given=name[:32]), 400
            return jsonify(error=f"user is {name[:32]!r}. {reason} For example: curl -d user=developer"), 400
        response = redirect(url_for("show_backends"), 303)
        response.set_cookie(value=name, max_age=COOKIE_SECONDS, **own_cookie())
        return response

    @app.get("/logout")
    def logout_form() -> str:
        """Ask whether to log out: a link that is followed, or fetched ahead, changes nothing."""
        return render_template("logout.html")

    @app.post("/logout")
    def logout() -> ResponseReturnValue:
        """Clear the cookie."""
        _refuse_other_sites()
        response = redirect(url_for("index"), 303)
        response.delete_cookie(**own_cookie())
        return response

    @app.context_processor
    def page_values() -> dict[str, Any]:
        return {"user": user()}

    return app


def _wants_page() -> bool:
    """Tell a browser, which names text/html, from curl and programs, which take anything."""
    accepted = request.accept_mimetypes
    return "text/html" in accepted.values() and accepted["text/html"] >= accepted["application/json"]


def _error_page(status: int, reason: str) -> ResponseReturnValue:
    if _wants_page():
        return error_page(status, reason)
    return jsonify(error=reason), status


def _refuse_other_sites() -> None:
    """Refuse a form that another site's page sent.

    Browsers say so in Sec-Fetch-Site, but to https:// and to their own machine alone; elsewhere Origin tells.
    curl sends neither, and has no cookies that somebody else could use.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        own = site in ("same-origin", "none")
    else:
        own = origin is None or origin.partition("://")[2] == request.host
    if not own:
        raise Forbidden(
            f"This form was sent by another site's page; use the one at {request.script_root}{request.path}."
        )
