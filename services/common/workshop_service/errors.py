"""Every error is answered with its reason: `{"error": "..."}` unless the service has pages of its own."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, NotFound

from workshop_service.limits import MAX_BODY_BYTES, TOO_LARGE
from workshop_service.logs import log
from workshop_service.tracing import REQUEST_ID, trace_headers

# In a request's WSGI environment when the server refuses it: its status and its reason (server.py).
REFUSAL = "workshop.refusal"

ErrorPage = Callable[[int, str], ResponseReturnValue]


def install_errors(app: Flask, error_page: ErrorPage | None = None) -> None:
    """Answer errors by `error_page(status, reason)`, by JSON without one."""

    def answer(status: int, reason: str) -> ResponseReturnValue:
        return error_page(status, reason) if error_page else (jsonify(error=reason), status)

    @app.before_request
    def refuse() -> None:
        if REFUSAL in request.environ:
            abort(*request.environ[REFUSAL])
        if (request.content_length or 0) > MAX_BODY_BYTES:  # also of chunks, which the server has put together
            abort(413)

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> ResponseReturnValue:
        if error.response is not None or error.code is None or error.code < 400:
            return error.get_response()  # a redirect
        reason = TOO_LARGE.get(error.code) or error.description or error.name
        if reason == NotFound.description:  # werkzeug's talks to a browser's user
            reason = f"There is nothing at {(request.script_root + request.path)[:100]}."
        response = app.make_response(answer(error.code, reason))
        for name, value in error.get_headers():
            if name.lower() != "content-type":
                response.headers[name] = value  # Allow, Retry-After
        return response

    @app.errorhandler(Exception)
    def failed(error: Exception) -> ResponseReturnValue:
        log.error("%s: %s", type(error).__name__, error, exc_info=error)
        return answer(500, f"This service failed; look in its log for {REQUEST_ID} {trace_headers().get(REQUEST_ID)}.")
