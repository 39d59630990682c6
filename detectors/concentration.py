"""A market becomes more concentrated, or changes fast.

Why it matters: the index of concentration (HHI, the sum of the squares of all shares in percent) tells early where
competition fades; the guideline on horizontal mergers looks at bands of it and at its change.

False positives: small markets, in which one contract moves every share. The finding is blue, to be watched.

What to do: look at who grew, and at mergers and acquisitions of the month.

Below 1,000 a market is not concentrated, to 1,800 moderately, above that highly. A month is compared with the one
before; where nothing was paid in the twelve months to that one, there is nothing to compare.

Categories of one market may be spelled in several ways: they are compared as in a negative list.
"""

from collections.abc import Sequence
from fractions import Fraction

from circulation.calendar import start_of_month
from circulation.events.names import SETTLEMENT_PAID
from circulation.examples import BUYER, Case, Json, asset, event, pack, party, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.markets import NEEDS, ending_with, scopes, shares, split
from circulation.rules import Parameter, Parameters, Rule, Sum

MONTHS = 12


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Compares the index at a month's end with that of the month before."""
    market, month = split(scope)
    ends = start_of_month(month + 1)
    now, before = (shares(acts, facts, number, MONTHS) for number in (month, month - 1))
    if not now.parts or not before.parts:
        return []
    parameters = facts.parameters(ends)
    moved, higher = now.hhi - before.hhi, _band(now.hhi, parameters) > _band(before.hhi, parameters)
    if not higher and abs(moved) < parameters["change"]:
        return []
    name = f"{month // 12:04}-{month % 12 + 1:02}"
    return [
        Said(
            severity=RULE.severity,
            about=About("market", market),
            party=next(iter(now.parts)),
            occurred=ends,
            apart=(name,),
            summary=(
                f"The index of concentration of {market} went from {float(before.hhi):,.4g} to {float(now.hhi):,.4g} in"
                f" {name}{', into a higher band' if higher else ''}."
            ),
            summary_zh=(
                f"{market} 市场的集中度指数在 {name} 由 {float(before.hhi):,.4g} 变为 {float(now.hhi):,.4g}"
                f"{'，进入更高区间' if higher else ''}。"
            ),
            evidence={
                "month": name,
                "hhi": str(now.hhi),
                "before": str(before.hhi),
                "higher_band": higher,
                "contracts": now.contracts,
            },
        )
    ]


def _band(hhi: Fraction, parameters: Parameters) -> int:
    return int(hhi >= parameters["moderate"]) + int(hhi > parameters["high"])


RULE = Rule(
    id="concentration",
    title="A market that concentrates",
    title_zh="市场趋于集中",
    about="market",
    severity="blue",
    articles=("横向经营者集中审查指引", "反垄断法 33"),
    parameters={
        "moderate": Parameter(1_000, "index from which on a market is moderately concentrated", below="high"),
        "high": Parameter(1_800, "index above which it is highly concentrated"),
        "change": Parameter(200, "change against the month before that is said in any band; less finds more"),
    },
    sum=Sum(
        due=True,
        acts=frozenset({SETTLEMENT_PAID}),
        scopes=scopes,
        judge=judge,
        needs=NEEDS,
        # The month before looks back on one month more.
        period=ending_with(MONTHS + 1),
    ),
)

_RULES = pack()
_BANDS = pack(detectors={"concentration": {"change": 10_000}})
_A = asset("a")


def _months(*amounts: Sequence[str]) -> list[Json]:
    """What a number of sellers were paid in January, in February, and so on."""
    return [
        payment
        for month, sums in enumerate(amounts, start=1)
        for at, amount in enumerate(sums)
        for payment in _paid(f"x:{at:02}", amount, f"2025-{month:02}-10", f"c{month}-{at}")
    ]


def _paid(seller: str, amount: str, time: str, contract: str) -> list[Json]:
    return [
        signed(contract, time, asset="a", seller=seller),
        event("settlement.paid", contract, time, settlement="s", payer=BUYER, payee=seller, amount=amount),
    ]


def _moved(higher: bool, month: str = "2025-02", **evidence: object) -> Json:
    return {
        "severity": "blue",
        "about": {"kind": "market", "id": "I65/traffic/CNY"},
        "evidence": {"month": month, "higher_band": higher, **evidence},
    }


_UNTIL = "2025-03-01T00:00:00.000001+08:00"

CASES = (
    Case(name="nothing was paid before", rules=_RULES, events=[_A, *_months(["1"])], until=_UNTIL),
    Case(name="nothing moves", rules=_RULES, events=[_A, *_months(["1", "2"], ["1", "2"])], until=_UNTIL),
    *(
        Case(
            name=f"from equal halves, {more} more to one",
            rules=_RULES,
            events=[_A, *_months(["1", "1"], [more])],
            until=_UNTIL,
            fires=fires,
        )
        for more, fires in (
            ("0.499999", []),
            ("0.5", [_moved(False, hhi="5200", before="5000")]),
            ("0.500001", [_moved(False, before="5000")]),
        )
    ),
    Case(
        name="a fall by 200 is a move, too",
        rules=_RULES,
        events=[_A, *_months(["1.5", "1"], ["0", "0.5"])],
        until=_UNTIL,
        fires=[_moved(False, hhi="5000", before="5200")],
    ),
    *(
        Case(
            name=f"from 625, the largest {name} a quarter",
            rules=_BANDS,
            events=[_A, *_months(["1"] * 16, [more])],
            until=_UNTIL,
            fires=fires,
        )
        for name, more, fires in (
            ("below", "3.999999", []),
            ("at", "4", [_moved(True, hhi="1000", before="625")]),
            ("above", "4.000001", [_moved(True, before="625")]),
        )
    ),
    *(
        Case(
            name=f"from the middle band, the largest {name} two fifths",
            rules=_BANDS,
            events=[_A, *_months(["1"] * 19, ["8"], [more])],
            until="2025-04-01T00:00:00.000001+08:00",
            fires=[_moved(True), *fires],
        )
        for name, more, fires in (
            ("below", "2.999999", []),
            ("at", "3", []),
            ("above", "3.000001", [_moved(True, "2025-03")]),
        )
    ),
    Case(
        name="what was sold thirteen months ago counts for the month before",
        rules=_RULES,
        events=[_A, *_months(["1", "1"], ["1"]), signed("other", "2026-01-31", asset="a")],
        until="2026-02-01T00:00:00.000001+08:00",
        fires=[
            _moved(False, hhi="50000/9", before="5000"),
            _moved(False, "2026-01", hhi="10000", before="50000/9"),
        ],
    ),
    Case(
        name="two sellers who become sisters",
        rules=_RULES,
        events=[_A, *_months(["1", "1"]), party("x:00"), party("x:01"), party("x:01", "2025-02-15", controller="x:00")],
        until=_UNTIL,
        fires=[_moved(False, hhi="10000", before="5000")],
    ),
)
