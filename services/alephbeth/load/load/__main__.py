"""The command line: serve, report, run (services/README.md)."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from load.client import Client, Outcome, Target
from load.records import DIRECTORY, Records, report
from load.summary import summary

DEFAULT_TARGETS = "aleph=http://aleph/name beth=http://beth/name"
LOG_SECONDS = 10.0
TARGET = re.compile(r"([a-z0-9][a-z0-9-]{0,62})=(http://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[^\s]*)?)")
HEADER = re.compile(r"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*)")


def number(low: float, high: float, whole: bool = False) -> Callable[[str], Any]:
    """Make argparse's reader of a number within bounds."""
    kind = "a whole number" if whole else "a number"
    pattern = r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]{1,9})?"

    def read(text: str) -> float:
        if not re.fullmatch(pattern, text) or not low <= float(text) <= high:
            raise argparse.ArgumentTypeError(f"{text!r} must be {kind} from {low:g} to {high:g}")
        return int(text) if whole else float(text)

    return read


def target(text: str) -> Target:
    """Read NAME=http://HOST/PATH."""
    found = TARGET.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME=http://HOST/PATH, for example aleph=http://aleph/name")
    return Target(found[1], found[2])


def header(text: str) -> tuple[str, str]:
    """Read NAME: VALUE."""
    found = HEADER.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} must be NAME: VALUE, for example 'Cookie: user=developer'")
    return found[1], found[2]


def seconds(text: str) -> float:
    """Read a time in seconds since 1970."""
    if not re.fullmatch(r"[0-9]{1,11}(\.[0-9]+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be a time in seconds since 1970, as `date +%s` prints")
    return float(text)


def parser() -> argparse.ArgumentParser:
    """Say what can be typed."""
    main = argparse.ArgumentParser(prog="load", description="Sequence-numbered requests, without retries.")
    commands = main.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="send for ever, as LOAD_TARGETS, LOAD_RATE and LOAD_TIMEOUT say")
    reporting = commands.add_parser("report", help="sum up what `serve` has sent")
    reporting.add_argument("--since", type=seconds, required=True, help="seconds since 1970")
    reporting.add_argument("--until", type=seconds, help="seconds since 1970 (default: now)")
    running = commands.add_parser("run", help="send some requests now and sum them up")
    running.add_argument(
        "--target", type=target, action="append", required=True, help="NAME=http://HOST/PATH; repeatable"
    )
    running.add_argument("--requests", type=number(1, 1_000_000, whole=True), help="to each target")
    running.add_argument("--seconds", type=number(0.1, 86_400), help="how long, with --rate")
    running.add_argument(
        "--rate", type=number(0.01, 1000), help="a second to each target (default: as fast as answered)"
    )
    running.add_argument(
        "--concurrency", type=number(1, 64, whole=True), default=8, help="senders a target, without --rate"
    )
    running.add_argument("--header", type=header, action="append", default=[], help="'NAME: VALUE'; repeatable")
    running.add_argument("--method", choices=["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"], default="GET")
    running.add_argument("--timeout", type=number(0.1, 60), default=10.0, help="seconds for an answer")
    return main


def serve(environ: Mapping[str, str], stop: threading.Event, directory: Path = DIRECTORY) -> None:
    """Send for ever, and log a summary every ten seconds."""
    try:
        targets = [target(text) for text in environ.get("LOAD_TARGETS", DEFAULT_TARGETS).split()]
        rate = number(0, 500)(environ.get("LOAD_RATE", "5"))
        timeout = number(0.1, 60)(environ.get("LOAD_TIMEOUT", "10"))
    except argparse.ArgumentTypeError as error:
        sys.exit(f"load does not start: {error}; set LOAD_TARGETS, LOAD_RATE and LOAD_TIMEOUT accordingly")
    records = Records(directory, [each.name for each in targets], rate, timeout)
    recent: list[Outcome] = []
    lock = threading.Lock()

    def record(outcome: Outcome) -> None:
        records.add(outcome)
        with lock:
            recent.append(outcome)

    def log(since: float) -> None:
        with lock:
            outcomes, recent[:] = list(recent), []
        print(json.dumps({"message": "sent", **summary(outcomes, since, time.time())}), flush=True)

    def keep_logging() -> None:
        since = records.start
        while not stop.wait(LOG_SECONDS):
            log(since)
            since = time.time()

    print(json.dumps({"message": "starting", "rate": rate, "targets": [each.url for each in targets]}), flush=True)
    if not rate:
        stop.wait()
        return
    logger = threading.Thread(target=keep_logging, daemon=True)
    logger.start()
    Client(targets, record, timeout=timeout).at_rate(rate, stop, start=records.start)
    logger.join()
    log(records.start)


def run(arguments: argparse.Namespace, stop: threading.Event) -> dict[str, Any]:
    """Send some requests and sum them up."""
    outcomes: list[Outcome] = []
    client = Client(
        arguments.target,
        outcomes.append,
        method=arguments.method,
        headers=dict(arguments.header),
        timeout=arguments.timeout,
    )
    since = time.time()
    requests = arguments.requests or (int(arguments.seconds * arguments.rate) if arguments.rate else None)
    if arguments.rate:
        client.at_rate(arguments.rate, stop, requests=requests)
    else:
        client.at_once(requests or 0, arguments.concurrency, stop)
    return summary(outcomes, since, time.time())


def main(words: Sequence[str]) -> int:
    """Do what was typed."""
    reader = parser()
    arguments = reader.parse_args(words)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    if arguments.command == "serve":
        serve(os.environ, stop)
        return 0
    if arguments.command == "report":
        found = report(DIRECTORY, arguments.since, arguments.until)
        print(json.dumps(found if found is not None else {"targets": {}}))
        return 0
    if (arguments.requests is None) == (arguments.seconds is None):
        reader.error("give either --requests or --seconds")
    if arguments.seconds and not arguments.rate:
        reader.error("--seconds needs --rate")
    print(json.dumps(run(arguments, stop)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
