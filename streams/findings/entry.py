"""What a rule said, with the pack that was in force: as it is entered in the book, and what the event bears."""

from typing import Any, NamedTuple

from circulation.bounds import bounded, shortened
from circulation.calendar import format_instant
from circulation.findings import Said, finding_id
from circulation.packs.pack import Pack
from circulation.rules import Rule


class Entry(NamedTuple):
    """One statement of a rule, the pack that was in force, the thing that was judged, and the clock when it was said.

    `within` tells that it was said of what is tried in a sandbox, where the rule only watches.
    """

    thing: str
    rule: Rule
    pack: Pack
    statement: Said
    now: int
    within: bool = False

    @property
    def finding(self) -> str:
        """The finding's id."""
        return finding_id(self.rule.id, self.statement.about, self.statement.cause, self.statement.apart)

    @property
    def mode(self) -> str:
        """The mode of the finding."""
        return "shadow" if self.within else self.pack.setting(self.rule.id).mode


class Change(NamedTuple):
    """The change of a finding: for the metrics."""

    detector: str
    severity: str
    mode: str
    raised: bool
    first: bool
    occurred: int


def raised_by(entry: Entry, *, first: bool) -> Change:
    """The change that an entry makes which is new, or says something else than before."""
    return Change(
        entry.rule.id, entry.statement.severity, entry.mode, raised=True, first=first, occurred=entry.statement.occurred
    )


def data_of(finding: str, entry: Entry) -> dict[str, Any]:
    """The data of the event that raises a finding, but for its revision and who receives it (contract section 4)."""
    statement, rule, pack = entry.statement, entry.rule, entry.pack
    data: dict[str, Any] = {
        "finding": finding,
        "detector": rule.id,
        "detector_version": rule.version,
        "rulepack": {"pack": pack.pack, "version": pack.version, "digest": pack.digest},
        "mode": entry.mode,
        "severity": statement.severity,
        "about": {"kind": statement.about.kind, "id": statement.about.id},
        "occurred": format_instant(statement.occurred),
        "summary": shortened(statement.summary),
        "summary_zh": shortened(statement.summary_zh),
        "evidence": bounded(statement.evidence),
        "legal_basis": list(rule.articles),
    }
    if statement.party is not None:
        data["party"] = statement.party
    if statement.cause is not None:
        data["cause"] = {"source": statement.cause.source, "id": statement.cause.id}
    return data
