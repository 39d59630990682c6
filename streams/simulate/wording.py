"""Plants about words of the list that are written in another way."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.findings import Kind, Severity
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told


def disguised(on: Ground) -> Iterator[Told | Must]:
    """Words of the list in other forms, which are those words, and a field with one Cyrillic letter, which needs to be
    explained; a word with a letter more or an accent, and one in Cyrillic letters alone, are others."""
    yield on.party("seller")
    unsettled = {"verdict": "needs-info", "missing": ["fields"]}
    cases: tuple[tuple[str, dict[str, Any], Severity | None, dict[str, Any]], ...] = (
        ("wide", {"tags": ["\uff30\uff32\uff29\uff36\uff21\uff23\uff39-infringing"]}, "red", {"entry": "NL-04"}),
        ("unseen", {"tags": [" priv\u00adacy-infring\u200bing"]}, "red", {"entry": "NL-04"}),
        ("patient\u2060", {"personal": "sensitive"}, "orange", {"entry": "NL-20"}),
        ("p\u0430tient", {"personal": "sensitive"}, "yellow", unsettled),
        ("accent", {"tags": ["pr\u00edvacy-infringing"]}, None, {}),
        ("longer", {"tags": ["privacy--infringing"]}, None, {}),
        ("\u0440\u0430\u0442", {"personal": "sensitive"}, None, {}),
    )
    for name, facts, severity, evidence in cases:
        asset = f"by-{len(name)}-{severity}-{sorted(facts)[0]}"
        yield on.asset(asset, fields=[f"{name}_{on.number}"], **facts)
        listing = on.listed(asset)
        yield listing
        about: tuple[Kind, str] = ("asset", on.thing(asset))
        if severity is not None:
            yield on.must("negative-list", severity, about, f"disguised: {name}", cause=listing, **evidence)


PLANTS: Final[tuple[Plant, ...]] = (disguised,)
