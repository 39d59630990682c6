"""Admits events before they are sent, as the worker would that reads them: what would be rejected stays here."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import detectors
from circulation.admission.admission import Admission
from circulation.admission.reasons import Reason, Rejection
from circulation.admission.records import Headers
from circulation.events.names import RULEPACK_PUBLISHED
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.wire.emit import lines_of_files

# Rejected lines that are printed; the rest is only counted.
SHOWN_MAX: Final = 1_000
DETAIL_LENGTH_MAX: Final = 2_000


class Check:
    """Says what a worker would say of a record by itself. Checks that need its desk are left out: duplicates,
    cancellations of uses that nobody remembers, uses that wait."""

    def __init__(self, admission: Admission) -> None:
        self._admit = admission.admit
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(
        self, record: bytes, topic: str, key: bytes | None, headers: Headers, *, now: int | None = None
    ) -> Rejection | None:
        """Why a worker would reject a record of this topic, or None. Of a batch it is the first element's."""
        answer = self._admit(
            record, topic=topic, key=key, headers=headers, now=time.time_ns() // 1000 if now is None else now
        )
        for result in answer if isinstance(answer, list) else (answer,):
            if isinstance(result, Rejection):
                return result
            if result.type == RULEPACK_PUBLISHED and (rejection := self._pack(result, record)) is not None:
                return rejection
        return None

    def _pack(self, event: Any, record: bytes) -> Rejection | None:
        """A pack is read by the desk of packs, which knows what parameters detectors have."""
        if not self._known:
            self._known = parameters(detectors.RULES)
        try:
            pack = parse_pack(event.data, published=True, known=self._known)
            if pack.pack != event.subject:
                raise PackInvalid([f"$.data.pack: {pack.pack!r} is not the subject"])
        except PackInvalid as invalid:
            return Rejection(Reason.INVALID_DATA, "; ".join(invalid.problems)[:DETAIL_LENGTH_MAX], record)
        return None


class Lines:
    """The events of files with where each stands: iterated, it says in `where` where the one at hand is from."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = list(paths)
        self._path = Path()
        self._number = 0

    def __iter__(self) -> Iterator[bytes]:
        for path in self._paths:
            self._path = path
            for number, line in enumerate(lines_of_files([path]), 1):
                self._number = number
                yield line

    @property
    def where(self) -> str:
        """`FILE:LINE`; of a .json the number of the event in it."""
        return f"{self._path}:{self._number}"
