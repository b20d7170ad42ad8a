"""The command line: serve, now, report, run (services/README.md)."""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry, make_wsgi_app
from waitress import serve as serve_wsgi

from load.client import Client, Limits, Target, new_run
from load.metrics import Metered
from load.records import DIRECTORY, Records, RecordsError, present, report
from load.summary import Summary, in_words

DEFAULT_TARGETS = "aleph=http://aleph/name beth=http://beth/name"
LOG_SECONDS = 10.0
PROGRESS_SECONDS = 5.0
# Waited for by the main thread; a handler could find the lock of `stop` taken by the thread that it interrupts.
ENDINGS = (signal.SIGTERM, signal.SIGINT)
# Sent by the thread that works when it is done: to look often costs more than to send a request now and then.
DONE = signal.SIGUSR1
# A pod has 30 s to end, and ends when its last request has been answered.
MOST_SECONDS = 20

PATH = r"/[!\"$-~]*"
# One that is empty or longer cannot be looked up.
LABEL = r"[A-Za-z0-9-]{1,63}"
TARGET = re.compile(rf"([a-z0-9][a-z0-9-]{{0,62}})=http://({LABEL}(?:\.{LABEL})*\.?)(?::([0-9]{{1,5}}))?({PATH})?")
HEADER = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e]*)")
# What the client says itself.
OWN_HEADERS = {"connection", "content-length", "host", "transfer-encoding", "x-request-id"}


class Parser(argparse.ArgumentParser):
    """Refuses in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        self.exit(2, f"{self.prog}: {message}\n")


def number(low: float, high: float, example: float, whole: bool = False) -> Callable[[str], Any]:
    """Make the reader of a number within bounds."""
    kind = "a whole number" if whole else "a number"
    pattern = r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]{1,9})?"

    def read(text: str) -> float:
        if not re.fullmatch(pattern, text) or not low <= float(text) <= high:
            raise argparse.ArgumentTypeError(
                f"{text!r} is given, but it must be {kind} from {low:.10g} to {high:.10g}, for example {example:g}"
            )
        return int(text) if whole else float(text)

    return read


def target(text: str) -> Target:
    """Read NAME=http://HOST/PATH."""
    found = TARGET.fullmatch(text)
    if not found or not 1 <= int(found[3] or 80) <= 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is given, but it must be NAME=http://HOST[:PORT][/PATH], for example aleph=http://aleph/name"
        )
    return Target(found[1], found[2], int(found[3] or 80), found[4] or "/")


def targets(text: str) -> list[Target]:
    """Read targets of different names, with spaces between them."""
    found = [target(word) for word in text.split()]
    if not found or len({each.name for each in found}) < len(found):
        raise argparse.ArgumentTypeError(
            f"{text!r} is given, but it must be targets of different names, for example {DEFAULT_TARGETS}"
        )
    return found


def header(text: str) -> tuple[str, str]:
    """Read NAME: VALUE."""
    found = HEADER.fullmatch(text)
    if not found or found[1].lower() in OWN_HEADERS:
        raise argparse.ArgumentTypeError(
            f"{text!r} is given, but it must be NAME: VALUE in ASCII, and none of {', '.join(sorted(OWN_HEADERS))}, "
            "for example 'Cookie: user=developer'"
        )
    return found[1], found[2]


def path(text: str) -> str:
    """Read a path, with or without a query."""
    if not re.fullmatch(PATH, text):
        raise argparse.ArgumentTypeError(f"{text!r} is given, but it must be a path, for example /version")
    return text


def past(text: str) -> float:
    """Read a time that is over, in seconds since 1970."""
    now = time.time()
    if not re.fullmatch(r"[0-9]{1,11}(\.[0-9]{1,9})?", text) or float(text) > now:
        raise argparse.ArgumentTypeError(
            f"{text!r} is given, but it must be a time in seconds since 1970 and no later than {now:.3f}, "
            f"for example {now - 60:.0f}"
        )
    return float(text)


def parser() -> Parser:
    """Say what can be typed."""
    main = Parser(prog="python -m load", description="Sequence-numbered requests, without retries.", allow_abbrev=False)
    commands = main.add_subparsers(dest="command", required=True)
    add = functools.partial(commands.add_parser, allow_abbrev=False)
    add("serve", help="send for ever, as LOAD_TARGETS, LOAD_RATE and LOAD_TIMEOUT say")
    add("now", help="tell the time, and which run's records are kept since when")
    reporting = add("report", help="sum up what `serve` has sent")
    reporting.add_argument("--since", type=past, required=True, help="in seconds since 1970")
    reporting.add_argument("--until", type=past, help="in seconds since 1970 (default: now)")
    running = add("run", help="send some requests now, and sum them up")
    running.add_argument("--target", action="append", required=True, help="NAME=http://HOST[:PORT][/PATH]; repeatable")
    limits = running.add_mutually_exclusive_group(required=True)
    limits.add_argument("--requests", type=number(1, 1_000_000, 500, whole=True), help="to each target")
    limits.add_argument("--seconds", type=number(0.1, 3600, 10), default=float("inf"), help="how long")
    pace = running.add_mutually_exclusive_group()
    pace.add_argument(
        "--rate", type=number(0.1, 500, 50), help="a second to each target (default: as fast as answered)"
    )
    pace.add_argument("--concurrency", type=number(1, 64, 8, whole=True), default=8, help="else: senders a target")
    running.add_argument("--header", type=header, action="append", default=[], help="'NAME: VALUE'; repeatable")
    running.add_argument("--method", choices=["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE"], default="GET")
    running.add_argument("--path", type=path, help="instead of the targets' own")
    running.add_argument("--timeout", type=number(0.1, MOST_SECONDS, 10), default=10.0, help="seconds for an answer")
    return main


def attend(work: Callable[[], None], stop: threading.Event, progress: Callable[[], None] | None = None) -> None:
    """Work in a thread until it is done; a signal sets `stop`."""
    done = threading.Event()

    def working() -> None:
        try:
            work()
        finally:
            done.set()
            os.kill(os.getpid(), DONE)

    thread = threading.Thread(target=working)
    thread.start()
    while not done.is_set():
        came = signal.sigtimedwait((*ENDINGS, DONE), PROGRESS_SECONDS)
        if came is None:
            if progress:
                progress()
        elif came.si_signo in ENDINGS:  # DONE only wakes: of two that wait, one is lost, and anybody may send one
            stop.set()
    thread.join()


def serve(environ: Mapping[str, str]) -> int:
    """Send until a signal comes, and log a summary every ten seconds."""

    def setting(name: str, default: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(environ.get(name, "").strip() or default)
        except argparse.ArgumentTypeError as error:
            print(f"load does not start: {name}: {error}", file=sys.stderr)
            sys.exit(2)

    def log(message: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(json.dumps({"time": now, "level": "info", "service": "load", "message": message, **fields}), flush=True)

    rate = setting("LOAD_RATE", "5", number(0, 500, 5))
    timeout = setting("LOAD_TIMEOUT", "10", number(0.1, MOST_SECONDS, 10))
    port = setting("PROBE_PORT", "8081", number(1, 65535, 8081, whole=True))
    asked = setting("LOAD_TARGETS", DEFAULT_TARGETS, targets) if rate else []
    run = new_run()
    records = Records(DIRECTORY, [each.name for each in asked], run, timeout)
    registry = CollectorRegistry()
    page = {"host": "0.0.0.0", "port": port, "threads": 1}
    threading.Thread(target=serve_wsgi, args=(make_wsgi_app(registry),), kwargs=page, daemon=True).start()
    if not rate:
        log("idle: LOAD_RATE is 0")
        signal.sigwait(ENDINGS)
        return 0
    stop = threading.Event()

    def keep_logging() -> None:
        since = records.begin
        while True:
            # Asked before: what is sent while the report waits for answers is for the next one.
            last = stop.wait(LOG_SECONDS)
            until = time.time()
            # As another process would: what is logged is what can be reported.
            found = report(DIRECTORY, since, until)
            log(in_words(found), **found)
            if last:
                return
            since = until

    log(f"starting: {rate:g} requests a second to each of {', '.join(each.name for each in asked)}", run=run)
    logger = threading.Thread(target=keep_logging, daemon=True)
    logger.start()
    client = Client(asked, Metered(records, registry), timeout=timeout, run=run)
    attend(lambda: client.at_rate(rate, stop), stop)
    if not stop.is_set():
        return 1  # sending has failed, and its traceback is in the log
    records.end()
    logger.join()
    return 0


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Send some requests and sum them up."""
    asked = arguments.target
    if arguments.path:
        asked = [Target(each.name, each.host, each.port, arguments.path) for each in asked]
    summary = Summary([each.name for each in asked])
    client = Client(asked, summary, method=arguments.method, headers=arguments.header, timeout=arguments.timeout)
    stop = threading.Event()
    limits = Limits(arguments.requests, arguments.seconds)

    def send() -> None:
        if arguments.rate:
            client.at_rate(arguments.rate, stop, limits)
        else:
            client.as_answered(arguments.concurrency, stop, limits)

    since = time.time()
    attend(send, stop, lambda: print(in_words(summary.result(since, time.time())), file=sys.stderr, flush=True))
    return summary.result(since, time.time())


def main(words: Sequence[str]) -> int:
    """Do what was typed."""
    reader = parser()
    arguments = reader.parse_args(words)
    signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDINGS, DONE))
    if arguments.command == "serve":
        return serve(os.environ)
    if arguments.command == "run":
        try:
            arguments.target = targets(" ".join(arguments.target))
        except argparse.ArgumentTypeError as error:
            reader.error(f"argument --target: {error}")
        print(json.dumps(run(arguments)))
        return 0
    if arguments.command == "report" and arguments.until is not None and arguments.until <= arguments.since:
        reader.error(f"--until is {arguments.until}, but it must be later than --since, which is {arguments.since}")
    try:
        told = present(DIRECTORY) if arguments.command == "now" else report(DIRECTORY, arguments.since, arguments.until)
        print(json.dumps(told))
    except RecordsError as error:
        reader.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["serve"]))
