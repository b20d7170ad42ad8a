"""Prometheus is let in through the policies and strict mTLS, and nobody else is."""

from __future__ import annotations

from tests.acceptance.room import Room

# Until the network policies know the new pod, or for good.
SCRAPE = """
import sys, time, urllib.request
for url in sys.argv[1:]:
    for _ in range(10):
        try:
            print(url, urllib.request.urlopen(url, timeout=3).read().decode())
            break
        except OSError:
            time.sleep(2)
    else:
        print(url, "is refused")
"""


def scraped(room: Room, label: str, *services: str) -> str:
    """What a pod of another namespace that bears the label gets from where the annotations say."""
    path = "{.items[0].status.podIP}:{.items[0].metadata.annotations.prometheus\\.io/port}"
    path += "{.items[0].metadata.annotations.prometheus\\.io/path}"
    urls = [
        "http://" + room.kubectl("-n", "staging", "get", "pod", f"--selector=app={name}", f"--output=jsonpath={path}")
        for name in services
    ]
    image = room.kubectl(
        "-n", "staging", "get", "deployment/front-v03", "--output=jsonpath={.spec.template.spec.containers[0].image}"
    )
    words = ["run", "scrape", "--namespace=default", f"--labels={label}", f"--image={image}", "--restart=Never"]
    room.kubectl(*words, "--command", "--", "python", "-c", SCRAPE, *urls)
    try:
        room.kubectl(
            "-n", "default", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/scrape", "--timeout=120s"
        )
        return room.kubectl("-n", "default", "logs", "scrape")
    finally:
        room.kubectl("-n", "default", "delete", "pod", "scrape", "--wait=true")


def test_prometheus_gets_the_services_and_their_proxies_metrics(room: Room) -> None:
    page = scraped(room, "app.kubernetes.io/name=prometheus", "aleph", "load")
    assert "is refused" not in page
    for name in ("http_requests_total", "load_requests_total", "istio_agent_cert_expiry_seconds"):
        assert name in page


def test_nobody_else_gets_them(room: Room) -> None:
    assert scraped(room, "app.kubernetes.io/name=other", "aleph", "load").count("is refused") == 2
