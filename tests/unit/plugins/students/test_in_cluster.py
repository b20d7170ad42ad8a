"""The room's own programs and the API: what is refused for a moment is asked again, and what is refused is said."""

from __future__ import annotations

import contextlib
import http.client
import io
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.istio_games.workshop.plugins.plugin_utils.students import in_cluster

PATH = "/api/v1/namespaces/anna"


class Server:
    """Answers each request with what is next: a body, a status, or an error of the connection."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.slept = 0

    def open(self, request: Any, **_: Any) -> io.BytesIO:
        self.asked.append((request.get_method(), request.full_url))
        self.tokens.append(request.get_header("Authorization"))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            raise urllib.error.HTTPError(request.full_url, answer, "refused", http.client.HTTPMessage(), io.BytesIO())
        if isinstance(answer, Exception):
            raise answer
        return io.BytesIO(answer)

    def sleep(self, seconds: float) -> None:
        self.slept += int(seconds)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def cluster(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "token").write_text("first")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    monkeypatch.setattr(in_cluster, "ACCOUNT", tmp_path)
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: None)
    monkeypatch.setattr(urllib.request, "build_opener", lambda *_: server)
    return in_cluster.Cluster(server.sleep)


MOMENTARY = [
    *(pytest.param(code, id=str(code)) for code in (408, 409, 429, 500, 502, 503, 504)),
    pytest.param(urllib.error.URLError("Connection refused"), id="no connection"),
    pytest.param(TimeoutError("timed out"), id="no answer"),
    pytest.param(ConnectionResetError("reset"), id="reset"),
    pytest.param(http.client.RemoteDisconnected("closed"), id="closed"),
    pytest.param(http.client.IncompleteRead(b"{"), id="cut while it was sent"),
    pytest.param(b'{"metadata": {', id="cut"),
]
ASKING: dict[str, Callable[[Any], Any]] = {
    "get": lambda cluster: cluster.get(PATH),
    "items": lambda cluster: cluster.items(PATH),
    "merge": lambda cluster: cluster.merge(PATH, {"metadata": {}}),
    "merge_containers": lambda cluster: cluster.merge_containers(PATH, {"metadata": {}}),
    "create": lambda cluster: cluster.create(PATH, {"metadata": {}}),
    "apply": lambda cluster: cluster.apply(PATH, {"metadata": {}}),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("refusal", MOMENTARY)
def test_what_is_refused_for_a_moment_is_asked_again_and_that_is_said(
    cluster: Any, server: Server, ask: Callable[[Any], Any], refusal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = [refusal, refusal, b'{"items": [{"kind": "Pod"}]}']
    assert ask(cluster)
    assert (len(server.asked), server.slept) == (3, 2)
    (said,) = capsys.readouterr().out.splitlines()
    assert PATH in said
    assert "tried again for 60 s" in said


@pytest.mark.parametrize("code", [400, 401, 403, 404, 422])
def test_what_is_refused_for_good_is_not_asked_again(cluster: Any, server: Server, code: int) -> None:
    server.answers = [code]
    with pytest.raises(in_cluster.RefusedError, match=f"the API server answers {code}") as caught:
        cluster.get(PATH)
    assert caught.value.code == code
    assert (len(server.asked), server.slept) == (1, 0)


def test_who_was_quicker_is_not_written_over(cluster: Any, server: Server) -> None:
    server.answers = [409]
    with pytest.raises(in_cluster.RefusedError, match="409"):
        cluster.merge(PATH, {"metadata": {"resourceVersion": "7"}})
    assert len(server.asked) == 1


def test_an_api_server_that_is_away_is_waited_for_once(cluster: Any, server: Server) -> None:
    server.answers = [503]
    for asked in (in_cluster.PATIENCE_SECONDS + 1, in_cluster.PATIENCE_SECONDS + 2):
        with pytest.raises(in_cluster.RefusedError, match="503"):
            cluster.get(PATH)
        assert (len(server.asked), server.slept) == (asked, in_cluster.PATIENCE_SECONDS)


def test_a_token_that_was_replaced_is_read_again(cluster: Any, server: Server, tmp_path: Path) -> None:
    server.answers = [b"{}"]
    cluster.get(PATH)
    (tmp_path / "token").write_text("second")
    cluster.get(PATH, labelSelector="a=b,c")
    assert server.tokens == ["Bearer first", "Bearer second"]
    assert server.asked[-1] == ("GET", f"https://[fd00::1]:443{PATH}?labelSelector=a%3Db%2Cc")


@pytest.mark.parametrize(("answer", "raised"), [(b"{}", False), (404, False), (403, True)])
def test_what_is_gone_is_deleted(cluster: Any, server: Server, answer: Any, raised: bool) -> None:
    server.answers = [answer]
    with pytest.raises(in_cluster.RefusedError) if raised else contextlib.nullcontext():
        cluster.delete("/api/v1/namespaces/anna/pods/slow", 60)
    url = "https://[fd00::1]:443/api/v1/namespaces/anna/pods/slow?gracePeriodSeconds=60"
    assert server.asked == [("DELETE", url)]
