"""How long something has not answered."""

import threading

from streams.store.errors import StoreAway
from streams.store.store import Store
from streams.worker.pulse import Pulse


def test_it_is_silent_since_the_last_answer() -> None:
    at, there = 100.0, True

    def ask() -> None:
        if not there:
            raise StoreAway("it is away")

    pulse = Pulse(ask, monotonic=lambda: at)
    at = 103.0
    assert 3.0 == pulse.silent
    pulse.step()
    assert 0.0 == pulse.silent
    at, there = 110.0, False
    stop = threading.Event()
    asking = threading.Thread(target=pulse.run, args=(stop,))
    asking.start()
    stop.set()
    asking.join()
    assert 7.0 == pulse.silent


def test_one_that_never_comes_back_is_silent_all_the_same(store: Store) -> None:
    at, held, asked = 100.0, threading.Event(), threading.Event()

    def ask() -> None:
        with store.reading() as db:
            db.one("select 1")
        asked.set()
        held.wait()

    pulse = Pulse(ask, monotonic=lambda: at)
    stop = threading.Event()
    asking = threading.Thread(target=pulse.run, args=(stop,))
    asking.start()
    assert asked.wait(60)
    at = 106.0
    assert 6.0 == pulse.silent
    stop.set()
    held.set()
    asking.join()
    assert 0.0 == pulse.silent
