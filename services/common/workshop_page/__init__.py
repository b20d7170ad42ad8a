"""What every page of the workshop shares: its frame, its style, and what a browser may load for it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, render_template
from flask.typing import ResponseReturnValue

from workshop_page.below import BelowPath
from workshop_service.application import service_of

# Nothing but our own style sheets, scripts and forms: no other host, no frame around us.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Not `no-referrer`: a browser would then name no origin with our own forms either.
SECURITY_HEADERS = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "same-origin"}


def install_page(app: Flask) -> None:
    """Serve the style sheet at /page/, give templates `page.html` and `identity`, and let pages be below a path."""
    app.wsgi_app = BelowPath(app.wsgi_app)  # type: ignore[method-assign]
    app.register_blueprint(
        Blueprint("page", __name__, static_folder="static", static_url_path="/page", template_folder="templates")
    )

    @app.context_processor
    def page_values() -> dict[str, Any]:
        return {"identity": service_of(app).identity}

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response


def error_page(status: int, reason: str) -> ResponseReturnValue:
    """Answer an error by a page."""
    return render_template("error.html", status=status, reason=reason), status
