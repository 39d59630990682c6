"""One version of a pack: its entries, and what it says of each detector, of credit and of who is told."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import msgspec

from circulation.credit.settings import Settings
from circulation.packs.entry import Entry
from circulation.packs.matching import CompiledList

Parameters = Mapping[str, Any]


class DetectorSetting(msgspec.Struct, frozen=True, kw_only=True):
    """A pack's setting of one detector; parameters that it does not name keep the rule's defaults."""

    mode: str = "enforce"
    parameters: dict[str, Any] = {}


HOME: Final = "CN"
DEFAULT_SETTING = DetectorSetting()


class Pack(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of a pack, valid in [`valid_from`, `valid_to`) (µs).

    `home` is the country of which all others are abroad. `canonical` is its data as JSON with sorted keys and without
    nulls, and `digest` the SHA-256 of that: a YAML file and the same pack published have the same digest. `ignored` are
    the paths of members that mean nothing here.
    """

    pack: str
    version: str
    valid_from: int
    valid_to: int | None
    approved_by: tuple[str, ...]
    negative_list: tuple[Entry, ...]
    detectors: dict[str, DetectorSetting]
    credit: Settings
    sectors: dict[str, tuple[str, ...]]
    sandbox: tuple[str, ...]
    home: str
    digest: str
    canonical: bytes
    ignored: tuple[str, ...] = ()

    def setting(self, detector: str) -> DetectorSetting:
        """Mode and parameters of a detector; of one that is not named `enforce` and no parameters."""
        return self.detectors.get(detector, DEFAULT_SETTING)

    def receivers(self, industry: str | None) -> tuple[str, ...]:
        """The receivers of findings in an industry: those of the longest prefix that the pack names."""
        industry = industry or ""
        for length in range(len(industry), 0, -1):
            receivers = self.sectors.get(industry[:length])
            if receivers is not None:
                return receivers
        return ()

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """The entries by id; of those that say in turn what one id means, the last."""
        return {id_: turns[-1] for id_, turns in self._turns.items()}

    def entry(self, id_: str, instant: int) -> Entry | None:
        """The entry of this id that is valid at the instant (µs)."""
        return next((entry for entry in self._turns.get(id_, ()) if entry.in_force(instant)), None)

    @cached_property
    def _turns(self) -> dict[str, tuple[Entry, ...]]:
        """The entries of each id in the order of time: what an id says may change, and one is in force at a time."""
        turns: dict[str, tuple[Entry, ...]] = {}
        for entry in self.negative_list:
            turns[entry.id] = (*turns.get(entry.id, ()), entry)
        return {
            id_: entries if len(entries) == 1 else tuple(sorted(entries, key=_begin)) for id_, entries in turns.items()
        }

    @cached_property
    def compiled(self) -> "CompiledList":
        """The negative list, indexed; made when first asked for."""
        return CompiledList(self.negative_list)


def _begin(entry: Entry) -> int:
    return entry.valid_from
