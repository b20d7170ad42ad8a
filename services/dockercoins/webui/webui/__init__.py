"""webui: the page that draws how fast the workers mine."""

from webui.application import create_app

__all__ = ["create_app"]
