"""Parts of tallies, such as windows: what a desk does not remember itself, a row each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from circulation.events.names import CONTRACTS
from circulation.licences import Licence
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.intake.shapes import Shapes

# Parts of one contract that are held in memory between fetches; the store has them all.
CACHED_MAX: Final = 64


def load(batch: Batch, groups: Mapping[tuple[str, str], list[Arrival]]) -> None:
    """Fetch the parts that the events of these contracts may change."""
    wanted: list[tuple[str, Desk, str]] = []
    for key, group in groups.items():
        desk = batch.desks[key]
        if key[0] != CONTRACTS or not desk.licences.windowed:
            continue
        if len(desk.parts) > CACHED_MAX:
            desk.parts.clear()
        names: dict[str, None] = {}
        for arrival in group:
            licence = desk.licences.at(arrival.event.time)
            if licence is not None and licence.terms.windows:
                for name in _names(batch.shapes, arrival.event.time, licence):
                    names[name] = None
        wanted.extend((key[1], desk, name) for name in names if name not in desk.parts)
    if wanted:
        fetch(batch, wanted)


def fetch(batch: Batch, wanted: Sequence[tuple[str, Desk, str]]) -> None:
    """Fetch parts, (contract, its desk, name) each; None is kept in the place of what is not there."""
    by_contract = {(subject, name): desk for subject, desk, name in wanted}
    query = "select contract, name, state from parts where contract = any(?) and name = any(?)"
    contracts = sorted({subject for subject, _, _ in wanted})
    for contract, name, raw in batch.db.rows(query, contracts, sorted({name for _, _, name in wanted})):
        desk = by_contract.get((contract, name))
        if desk is not None:
            desk.parts[name] = msgspec.msgpack.decode(raw, type=batch.shapes.part_types[name.split("/", 1)[0]])
    for _, desk, name in wanted:
        desk.parts.setdefault(name, None)


def _names(shapes: Shapes, instant: int, licence: Licence) -> Iterable[str]:
    for rule in shapes.tallies:
        tally = rule.tally
        if tally is not None and tally.names is not None:
            for name in tally.names(instant, licence):
                yield f"{rule.id}/{name}"
