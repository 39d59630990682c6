"""Uses that may be cancelled: digests of their ids, with what is left of each to be given back."""

import struct
from typing import Final, NamedTuple

import xxhash

from circulation.daily import Side
from circulation.identifiers import COUNTRIES
from circulation.keys import join_key
from streams.store import schema
from streams.store.db import Db

# Time, uses left (`EMPTIED` where nothing is left and that was told), index of the licence and code of the country,
# reporter and code of the side (`SIDES`).
DETAIL: Final = struct.Struct("<qqiB")
EMPTIED: Final = -1
# Of a use that states bytes or rows: its place in the row, bytes, rows.
VOLUME: Final = struct.Struct("<iqq")
# The code of a country stands above so many bits of the index; 0 is no country. A use under no licence has none.
INDEX_BITS: Final = 20
CODES: Final[dict[str | None, int]] = {None: 0} | {
    country: at << INDEX_BITS for at, country in enumerate(sorted(COUNTRIES), start=1)
}
_OF_CODE: Final = {code: country for country, code in CODES.items()}
_INDEX: Final = (1 << INDEX_BITS) - 1
# Where on its day a use was counted: near one of its midnights, or between them. A pack that comes later may tell it
# otherwise, and what is given back is taken off where it is. The code stands above the reporter; 0, the code of a use
# so far from both that every pack tells the same, and of one that was remembered without, leaves it to the pack.
REPORTER_BITS: Final = 2
SIDES: Final[dict[Side | None, int]] = {
    side: code << REPORTER_BITS for code, side in enumerate((None, Side.HEAD, Side.TAIL), start=1)
}
_SIDE_OF_CODE: Final = {code: (side,) for side, code in SIDES.items()}
_REPORTER: Final = (1 << REPORTER_BITS) - 1
# Rows of a partition that are read at a time, the newest first.
ROWS_AT_ONCE: Final = 64


class Detail(NamedTuple):
    """A use that was found: its time, the uses given back, its licence by index, its reporter, and its country. Where
    nothing is left of it, it is `emptied`, and its bytes and rows are given back. `side` is the one on which it was
    counted; () where that is not told."""

    time: int
    given_back: int
    licence: int
    reporter: int
    country: str | None
    emptied: bool = False
    bytes: int = 0
    rows: int = 0
    side: tuple[Side | None] | tuple[()] = ()


class Pending:
    """Uses of one partition that are not in the store yet: digests of 16 bytes, and a `DETAIL` each; `volumes` of those
    that state any."""

    __slots__ = ("details", "digests", "partition", "volumes")

    def __init__(self, partition: tuple[str, int]) -> None:
        self.partition = partition
        self.digests = bytearray()
        self.details = bytearray()
        self.volumes = bytearray()


class Cancellable:
    """The uses that may be cancelled, of each partition: in the store, and pending.

    Of a partition no more than `pending_max` uses stay pending at the end of a fetch.
    """

    def __init__(self, pending_max: int) -> None:
        self.pending_max = pending_max
        self._pending: dict[tuple[str, int], Pending] = {}

    def forget(self) -> None:
        """Drop what is pending."""
        self._pending.clear()

    def of(self, partition: tuple[str, int]) -> Pending:
        """Return what is pending of a partition, to be added to."""
        pending = self._pending.get(partition)
        if pending is None:
            pending = self._pending[partition] = Pending(partition)
        return pending

    def write(self, db: Db, now: int, *, more_than: int = 0) -> None:
        """Write what is pending of each partition that has more uses than this."""
        rows = []
        for (topic, partition), pending in self._pending.items():
            if len(pending.digests) > 16 * more_than:
                volumes = bytes(pending.volumes) or None
                rows.append((topic, partition, now, bytes(pending.digests), bytes(pending.details), volumes))
                pending.digests, pending.details, pending.volumes = bytearray(), bytearray(), bytearray()
        if rows:
            db.many(schema.remembered, rows)

    def recall(self, db: Db, partition: tuple[str, int], digest: bytes, uses: int, *, alone: bool) -> Detail | None:
        """Take uses off the newest use with this digest; None where none is remembered.

        Where its topic had fewer partitions before, a row has uses of contracts that others take in now: then this is
        not the only one who changes it (`alone`).
        """
        pending = self._pending.get(partition)
        if pending is not None:
            at = _position(pending.digests, digest)
            if at is not None:
                return _take_off(pending.details, at, uses, pending.volumes)
        query = (
            "select id, digests, details, volumes from remembered where topic = ? and partition = ? and id < ?"  # noqa: S608
            f" order by id desc limit {ROWS_AT_ONCE}"
        )
        before = 2**62
        while True:
            rows = db.rows(query, *partition, before)
            for number, digests, details, volumes in rows:
                at = _position(bytes(digests), digest)
                if at is not None:
                    if not alone:
                        ((details,),) = db.rows("select details from remembered where id = ? for update", number)
                    changed = bytearray(details)
                    detail = _take_off(changed, at, uses, volumes or b"")
                    db.run("update remembered set details = ? where id = ?", bytes(changed), number)
                    return detail
            if len(rows) < ROWS_AT_ONCE:
                return None
            before = rows[-1][0]


def side_of_code(code: int) -> tuple[Side | None] | tuple[()]:
    """Return the side of a code; () where it tells none."""
    return _SIDE_OF_CODE.get(code, ())


def seed_of(contract: str, source: str) -> int:
    """Return the seed of the digests of a source's uses of a contract."""
    return xxhash.xxh3_64_intdigest(join_key(contract, source).encode())


def digest_of(contract: str, source: str, id_: str) -> bytes:
    """Return the digest of a use."""
    return xxhash.xxh3_128_digest(id_.encode(), seed_of(contract, source))


def _position(digests: bytes | bytearray, digest: bytes) -> int | None:
    at = digests.rfind(digest)
    while at >= 0:
        if at % 16 == 0:
            return at // 16
        at = digests.rfind(digest, 0, at + 15)
    return None


def _take_off(details: bytearray, at: int, uses: int, volumes: bytes | bytearray) -> Detail:
    time, left, placed, coded = DETAIL.unpack_from(details, at * DETAIL.size)
    given_back = min(uses, max(left, 0))
    emptied = left == given_back
    DETAIL.pack_into(details, at * DETAIL.size, time, EMPTIED if emptied else left - given_back, placed, coded)
    bytes_ = rows = 0
    if emptied:
        bytes_, rows = next((volume[1:] for volume in VOLUME.iter_unpack(volumes) if volume[0] == at), (0, 0))
    index = placed if placed < 0 else placed & _INDEX
    reporter, country = coded & _REPORTER, _OF_CODE.get(placed - index)
    return Detail(time, given_back, index, reporter, country, emptied, bytes_, rows, side_of_code(coded - reporter))
