"""Kinds of acts of assets: registered, graded, certified, assessed."""

from typing import Final

from benchmarks.kinds.events import ASSET, at, graded, party_id, registered_again
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.examples import Json

_FIELDS: Final = [f"field_{number}" for number in range(20)]


def _assessed(i: int) -> Json:
    return examples.event(
        "asset.assessed",
        "asset",
        at(i),
        assessment=f"assessment-{i}",
        kind="quality",
        result="pass",
        completeness=0.99,
        assessor="an office",
    )


def _fields(i: int) -> list[str]:
    """Fields of which many assets have some, and no two have many in common."""
    return [f"field_{(i * 7 + number * number * 3) % 500}" for number in range(20)]


KINDS: Final = (
    Kind(
        "assets of one owner with the same fields",
        lambda i: examples.asset(f"asset-{i}", at(i), fields=_FIELDS, persons=1, personal="personal"),
    ),
    Kind("assets of one owner with other fields", lambda i: examples.asset(f"asset-{i}", at(i), fields=_fields(i))),
    Kind("assets with the same digest", lambda i: examples.asset(f"asset-{i}", at(i), owner=party_id(i), digest="d")),
    Kind("an asset registered again", registered_again),
    Kind("an asset registered again with other fields", lambda i: registered_again(i, fields=_fields(i))),
    Kind("gradings of one asset", graded, [ASSET]),
    Kind(
        "approved gradings of one asset",
        lambda i: graded(i, approved_by="an office"),
        [ASSET, examples.derived("asset", "2025-01-04", "input")],
    ),
    Kind(
        "certificates of one asset, a listing between",
        lambda i: [
            registered_again(i, certificate=f"C{i}"),
            examples.listed("asset", at(i + 0.5), product="product"),
        ],
    ),
    Kind("assessments of one asset", _assessed, [ASSET]),
    Kind(
        "assets of one catalogue element",
        lambda i: examples.asset(f"asset-{i}", at(i), owner=party_id(i), element="E", source_unit=f"unit-{i % 2}"),
    ),
    Kind(
        "listings with one certificate",
        lambda i: [
            examples.asset(f"asset-{i}", at(i), owner=party_id(i), certificate="C"),
            examples.listed(f"asset-{i}", at(i + 0.5), seller=party_id(i)),
        ],
    ),
)
