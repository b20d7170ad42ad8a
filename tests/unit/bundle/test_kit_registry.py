"""Whatever a registry, its storage or its token server does, a kit comes whole or one sentence says why it does not."""

from __future__ import annotations

import http.server
import os
import ssl
import subprocess
import threading
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.bundle.odd_registry import (
    DATA,
    KIT,
    NAME,
    PATIENCE,
    Answer,
    Bench,
    Served,
    code,
    cut,
    digest,
    encoded,
    token,
)

from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle import kit_pull
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit import KitError
from ansible_collections.istio_games.workshop.plugins.plugin_utils.bundle.kit_registry import (
    Reference,
    Registry,
    read_logins,
    reference,
    tls,
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own CA, and its key."""
    made = tmp_path_factory.mktemp("ca")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    command += " -keyout key -out crt"
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command.split(), *names], cwd=made, check=True, capture_output=True)
    return made


@pytest.fixture
def served(authority: Path) -> Iterator[Any]:
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    server.odd, server.asked = {}, []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "crt", authority / "key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def bench(served: Any, authority: Path, tmp_path: Path) -> Bench:
    return Bench(served, authority, tmp_path)


BLOB = f"blobs/{digest(DATA[0])}"
MANIFEST_PATH = f"manifests/{KIT}"


@pytest.mark.parametrize(
    ("what", "answers", "paused"),
    [
        ("none", [], []),
        (BLOB, [cut(1000), cut(2000)], [1, 2]),
        (BLOB, [cut(0)] * PATIENCE, [1, 2, 4, 8]),
        (BLOB, [code(503), code(429, Retry_After="20"), code(429, Retry_After="9999")], [1, 20, 60]),
        (BLOB, [code(429, Retry_After="Fri, 31 Dec 1999 23:59:59 GMT")], [1]),
        (MANIFEST_PATH, [code(503), code(429, Retry_After="7")], [1, 7]),
    ],
)
def test_what_breaks_off_or_is_busy_is_asked_again(
    bench: Bench, what: str, answers: list[Answer], paused: list[float]
) -> None:
    bench.odd(what, *answers)
    assert bench.pull() == b"".join(DATA)
    assert bench.paused == paused


@pytest.mark.parametrize(
    ("what", "answers", "said"),
    [
        # Cut, it is no other one: that would be said of a registry that lies.
        (MANIFEST_PATH, [cut(30)], "cannot be asked over HTTPS (it closed the connection)"),
        (MANIFEST_PATH, [code(200, b"{}")], "has another digest: do not use that registry"),
        (MANIFEST_PATH, [code(429)] * 9, "cannot give it now (it answers 429): run the same command again later"),
        (MANIFEST_PATH, [code(401)], "gives nothing without a login for it (401): type skopeo login"),
        (MANIFEST_PATH, [code(403)], "gives nothing without a login for it (403): type skopeo login"),
        (MANIFEST_PATH, [code(404)], f"has no {NAME}@{KIT}: export_kit.yml -e kit_push="),
        (MANIFEST_PATH, [code(418)], "answers 418"),
        (MANIFEST_PATH, [code(307, Location="http://127.0.0.1:1/")], "it leads to a place without TLS"),
        (BLOB, [cut(9)] * 9, "broke off after 0 of 0 MB (it closed the connection): run the same command again"),
        (BLOB, [code(200, DATA[0][::-1])] * 2, f"sent something else than {digest(DATA[0])}: run the same command"),
        (BLOB, [code(307, Location="https://[/")] * 9, "broke off after"),
    ],
)
def test_what_it_does_not_give_is_one_sentence(bench: Bench, what: str, answers: list[Answer], said: str) -> None:
    bench.odd(what, *answers)
    assert said in bench.refused()
    bench.served.odd.clear()
    assert bench.pull() == b"".join(DATA)


@pytest.mark.parametrize(
    ("realm", "answers", "said"),
    [
        ("https://HOST/token", [token({"token": "a\r\nb: c"})], "its token server gives none"),
        ("https://HOST/token", [token(["token"])], "its token server gives none"),
        ("https://HOST/token", [token({"access_token": None})], "its token server gives none"),
        ("https://HOST/token", [code(200, b"[" * 100_000)], "its token server gives none"),
        ("https://HOST/token", [code(503)] * 9, "cannot give it now (it answers 503)"),
        ("https://HOST/token", [code(401)], "gives nothing without a login for it (401)"),
        ("http://HOST/token", [], "gives nothing without a login for it (401)"),
        ("https://127.0.0.1:1/token", [], "cannot be asked over HTTPS"),
    ],
)
def test_what_a_token_server_does_is_one_sentence(bench: Bench, realm: str, answers: list[Answer], said: str) -> None:
    challenge = code(401, WWW_Authenticate=f'Bearer realm="{realm.replace("HOST", bench.host)}",service="x"')
    bench.odd(MANIFEST_PATH, *[challenge] * 9)
    bench.served.odd["/token"] = list(answers)
    assert said in bench.refused()


def test_a_token_is_used_and_asked_for_again_when_it_has_ended(bench: Bench) -> None:
    challenge = code(401, WWW_Authenticate=f'Bearer realm="https://{bench.host}/token?x=1",service="y"')
    bench.odd(MANIFEST_PATH, challenge)
    bench.odd(BLOB, challenge)
    bench.served.odd["/token"] = [token({"token": "one"}), token({"access_token": "two"})]
    assert bench.pull() == b"".join(DATA)
    (path, *_) = [path for path, _ in bench.served.asked if path.startswith("/token")]
    assert path == "/token?x=1&service=y&scope=repository%3Aworkshop%2Fbundle%3Apull"
    assert [headers.get("Authorization") for _, headers in bench.served.asked][-2:] == ["Bearer two"] * 2


@pytest.mark.parametrize(
    ("logins", "user"),
    [
        ({"HOST": "all", f"HOST/{NAME}": "own", "HOST/workshop": "near"}, "own"),
        ({"HOST/workshop": "near", "HOST": "all"}, "near"),
        ({"HOST": "all", "HOST/other": "other"}, "all"),
        ({"https://HOST/v2/": "all", "other.example": "other"}, "all"),
    ],
)
def test_the_login_is_that_of_the_nearest_name(bench: Bench, logins: dict[str, str], user: str) -> None:
    bench.logs_in(**logins)
    bench.odd(MANIFEST_PATH, code(401, WWW_Authenticate='Basic realm="x"'))
    bench.pull()
    assert bench.served.asked[1][1]["Authorization"] == f"Basic {encoded(user)}"


@pytest.mark.parametrize(("name", "sent"), [("127.0.0.1", True), ("localhost", False)])
def test_a_login_goes_to_the_registry_alone(bench: Bench, name: str, sent: bool) -> None:
    bench.logs_in(HOST="all")
    bench.odd(MANIFEST_PATH, code(401, WWW_Authenticate='Basic realm="x"'))
    elsewhere = f"https://{name}:{bench.served.server_port}/storage/{digest(DATA[0])}"
    bench.odd(BLOB, code(307, Location=elsewhere))
    assert bench.pull() == b"".join(DATA)
    (headers,) = [headers for path, headers in bench.served.asked if path.startswith("/storage")]
    assert ("Authorization" in headers) is sent


@pytest.mark.parametrize(
    "left",
    [
        DATA[0][:1000],
        DATA[0] + DATA[1][:5],
        b"\0" * 1000,  # of a machine that has lost power: the size is there, the content is not
        b"\0" * 3000,
        DATA[0] + b"\0" * 2000,
        b"".join(DATA) + b"more",
    ],
)
def test_what_was_left_half_done_is_mended(bench: Bench, left: bytes) -> None:
    place = bench.puller().place
    place.parent.mkdir(parents=True)
    place.with_suffix(".part").write_bytes(left)
    assert bench.pull() == b"".join(DATA)
    assert bench.paused == []


def test_a_slow_piece_says_how_far_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kit_pull, "_SAY_EVERY", -1.0)
    monkeypatch.setattr(kit_pull, "_CHUNK", 1000)
    bench.pull()
    assert len(bench.said) > len(DATA) + 3


@pytest.mark.parametrize(
    "given",
    ["@", "docker://registry.example/a@sha256:" + "0" * 64, "registry.example/a:1", "registry.example/a@sha256:0",
     "registry.example/a@sha512:" + "0" * 128, "https://registry.example/a@sha256:" + "0" * 64,
     "régistry.example/a@sha256:" + "0" * 64, "registry.example/a@sha256:" + "A" * 64, "localhost/a\n@sha256:1"],
)  # fmt: skip
def test_what_names_no_kit_of_a_registry_is_refused(given: str) -> None:
    with pytest.raises(KitError, match="type HOST/NAME@sha256: and the 64 digits") as error:
        reference(given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["/a.kit", "a.kit", "./a/b.kit", "~/a.kit", "~nobodyx/a", "a" * 300, "\0", "é ü.kit"])
def test_other_names_are_files(given: str) -> None:
    assert reference(given) is None


def test_a_file_with_an_at_sign_is_a_file_in_the_home_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a@b.kit").touch()
    assert reference("~/a@b.kit") is None


@pytest.mark.parametrize("host", ["a..b", "a" * 70 + ".example", "127.0.0.1:99999"])
def test_a_host_that_cannot_be_is_one_sentence(host: str, tmp_path: Path) -> None:
    registry = Registry(Reference(host, NAME, KIT))
    with pytest.raises(KitError, match="cannot be asked over HTTPS"):
        kit_pull.Puller(tmp_path, registry, print).pull()


@pytest.mark.parametrize("text", ["", "[]", "[" * 100_000, '{"auths": 1}', '{"auths": {"a": {}}}', "pipe", "directory",
                                  '{"auths": {"a": {"auth": "no base64"}}}', "none", "~nobodyx"])  # fmt: skip
@pytest.mark.parametrize("read", [read_logins, tls])
def test_a_file_that_is_none_of_logins_or_certificates_is_named(
    text: str, read: Callable[[str], Any], tmp_path: Path
) -> None:
    file = tmp_path / "given"
    if text == "pipe":
        os.mkfifo(file)
    elif text == "directory":
        file.mkdir()
    elif not text.startswith(("none", "~")):
        file.write_text(text)
    with pytest.raises(KitError, match=r"workshop_kit_(login|ca) is .*, but must be a file of"):
        read(text if text.startswith("~") else str(file))


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (9, "is not good at this time (x): see this machine's clock"),
        (10, "is not good at this time (x): see this machine's clock"),
        (62, "is for another name (x): type the name"),
        (64, "is for another name (x): type the name"),
        (18, "is by no CA that is known here (x): name the file of its CA with -e workshop_kit_ca="),
    ],
)
def test_a_certificate_s_fault_is_said_as_it_is(number: int, said: str) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code, error.verify_message = number, "x"
    registry = Registry(Reference("a.example", NAME, KIT))
    assert said in str(registry._unreachable(urllib.error.URLError(error)))


@pytest.mark.parametrize(
    ("ending", "content", "asked"),
    [
        (".kit", None, 0),
        (".kit", b"another kit", 4),  # what it goes on from is wrong, so all of it is asked for again
        (".kit", DATA[0] + bytes(2000), 2),  # the first piece is right
        (".kit", b"".join(DATA) + b"more", 1),
        (".json", b"{}", 1),
        (".json", b"", 1),
    ],
)
def test_what_is_kept_is_what_its_digest_stands_for(
    bench: Bench, ending: str, content: bytes | None, asked: int
) -> None:
    """Whoever shares the cache may have put another there. Asked for are the manifest and what is not right."""
    bench.pull()
    if content is not None:
        bench.puller().place.with_suffix(ending).write_bytes(content)
    bench.served.asked.clear()
    assert bench.pull() == b"".join(DATA)
    assert len(bench.served.asked) == asked
    assert bench.puller().is_there()
