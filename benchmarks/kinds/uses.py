"""Kinds of acts while data is used: uses of a contract, and incidents."""

from typing import Final

from benchmarks.kinds.events import ASSET, at
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.calendar import days, format_instant, parse_instant
from circulation.examples import OWNER

# Events of the future are not taken in, and days of one contract are many years.
_LONG_AGO: Final = parse_instant("1930-01-01T12:00:00+08:00")

KINDS: Final = (
    Kind(
        "uses of one contract",
        lambda i: examples.used("contract", at(i), id=f"use-{i}"),
        [ASSET, examples.signed("contract", "2025-01-03", terms=examples.terms(uses_max=1_000_000))],
    ),
    Kind(
        "uses of one contract that is to report, each on another day",
        lambda i: examples.used("contract", format_instant(_LONG_AGO + days(i)), id=f"use-{i}"),
        [
            ASSET,
            examples.signed(
                "contract", "1929-12-01", terms=examples.terms(valid_from="1929-12-01", report_within_days=30)
            ),
        ],
    ),
    Kind(
        "uses of one contract, each reported too late",
        lambda i: examples.used("contract", format_instant(_LONG_AGO + days(2 * i)), id=f"use-{i}"),
        [
            ASSET,
            examples.signed(
                "contract", "1929-12-01", terms=examples.terms(valid_from="1929-12-01", report_within_days=1)
            ),
        ],
    ),
    Kind(
        "incidents of one party",
        lambda i: examples.event(
            "incident.discovered", OWNER, at(i), incident=f"incident-{i}", kind="leak", operator="other"
        ),
    ),
)
