"""Turns of threads, in the order in which they asked."""

import threading
from collections import deque


class Turns:
    """A lock that goes to who has waited longest.

    A plain one goes to who asks first after it was let go, which is mostly the thread that just had it: one that
    judges round after round would keep another from taking in anything.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._locked = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._mutex:
            if not self._locked:
                self._locked = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()
        except BaseException:
            with self._mutex:
                had_its_turn = turn not in self._waiting
                if not had_its_turn:
                    self._waiting.remove(turn)
            if had_its_turn:
                self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._locked = False
