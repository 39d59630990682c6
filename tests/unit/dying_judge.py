"""A judge whose rule for listings kills its process at the asset `poison`: run by tests, in a process of its own."""

import dataclasses
import os
import signal
import sys
import threading
from pathlib import Path

import detectors
from circulation.packs.reading import parse_pack
from circulation.rules import Check
from streams.engine import Engine
from streams.health.clock import Clock
from streams.judging.mark import Mark
from streams.settings import Settings
from streams.store.store import Store
from streams.worker.rounds import Rounds
from tests.modes import only

PACK = parse_pack(only("negative-list", "broken-provenance", "detector-error"), published=False)


def poisoned(act, _):
    if act.subject == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return []


def engine(store, mark=None):
    """An engine in which looking at a listing of `poison` kills the process."""
    check = Check(acts=frozenset({"circulation.product.listed"}), check=poisoned)
    rule = dataclasses.replace(detectors.RULES["negative-list"], check=check, sum=None, screen=None)
    return Engine(store, PACK, rules={**detectors.RULES, "negative-list": rule}, mark=mark)


def main(url, path):
    """Judges until nothing waits."""
    store = Store(url)
    made = engine(store, Mark.at(Path(path)))
    failed = []
    settings = Settings.read({"CIRCULATION_STORE": url})
    rounds = Rounds(
        made,
        settings,
        Clock(settings, made.store),
        lambda *_: None,
        lambda doing, error: failed.append(f"{doing}: {error}"),
        lambda: None,
    )
    stop = threading.Event()
    rounds._step()
    while made.waiting():
        rounds._step()
    stop.set()
    store.close()
    return "\n".join(failed)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]) or 0)
