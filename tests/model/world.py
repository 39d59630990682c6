"""What was taken in, what stands of it, and what is known at an instant: by plain loops over all events.

Written from the public contract, and from nothing else: it imports no word, rule or engine of the project, so that a
misreading there does not repeat itself here. It keeps everything, looks at everything for every question, and is right
only for small worlds.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

from tests.model import lineage
from tests.model.counting import Desk
from tests.model.events import STATING, TERMS_TYPES, Found, Json, Moment, One, chosen, knows, midnight, moment

# The parameters of the contract's table; a pack may give others.
DEFAULTS: dict[str, Json] = {
    "usage-limit": {"warning_percent": 80, "late_warning_percent": 95, "red_percent": 120},
    "bulk-extraction": {"k": 6, "n": 200, "hours_min": 1},
    "export-assessment-missing": {
        "persons": 1_000_000,
        "sensitive_persons": 10_000,
        "warning_percent": 80,
        "late_warning_percent": 95,
    },
    "export-contract-missing": {
        "persons": 100_000,
        "sensitive_persons": 1,
        "assessment_persons": 1_000_000,
        "assessment_sensitive_persons": 10_000,
    },
    "export-splitting": {
        "contract_persons": 100_000,
        "contract_sensitive_persons": 1,
        "assessment_persons": 1_000_000,
        "assessment_sensitive_persons": 10_000,
    },
    "undeclared-export": {"hours": 72, "days_before": 31},
    "grading-overdue": {"days": 30},
    "person-volume": {"personal_persons": 10_000_000, "sensitive_persons": 1_000_000, "ciio_persons": 100_000},
    "raw-public-data": {"modes": ["file", "api"]},
    "related-party-trade": {"months": 12, "repeated": 3},
    "reciprocal-trade": {"days": 30, "percent": 10},
    "ring-trade": {"days": 60, "percent": 80},
    "paper-trade": {"days": 30},
    "payment-irregular": {"factor": 1.5},
    "duplicate-registration": {"jaccard": 0.9},
    "dominance": {"shares": ["1/2", "2/3", "3/4"], "least_share": "1/10", "contracts": 30},
    "concentration": {"moderate": 1_000, "high": 1_800, "change": 200},
    "differential-price": {"factor": 1.2, "buyers": 5},
    "abnormal-price": {"factor": 3},
    "exclusive-dealing": {"share": "1/2", "refusals": 3, "months": 12},
    "incident-late": {"ciio_hours": 1, "state_hours": 2, "other_hours": 4},
    "black-market": {
        "first_categories": ["tracks", "communications", "credit", "property"],
        "second_categories": ["lodging", "calls", "health", "transactions"],
        "first_items": 50,
        "second_items": 500,
        "other_items": 5_000,
        "proceeds": 5_000,
        "currency": "CNY",
        "in_service_tags": ["obtained-in-duty", "obtained-in-service"],
    },
    "credit-clock": {"objection_working_days": 7, "repair_working_days": 10, "holidays": [], "workdays": []},
    "quality": {"completeness": 0.95, "update_factor": 2},
    "feed-silence": {"seconds": 300},
    "reconciliation": {"percent": 1, "edge_seconds": 60, "silent_days": 7},
}

# From what states nothing up.
LEVELS = ("ungraded", "general", "important", "core")
CLASSES = ("none", "personal", "sensitive", "minor")

# A product is listed again and again, a mark seen again and again: each event is an act of its own.
EACH = ("product.listed", "product.delisted", "watermark.sighted", "request.refused")


def exact(number: float | str) -> Fraction:
    """A number as it is written."""
    return Fraction(str(number))


class World:
    """All that was taken in, and what the default pack says."""

    def __init__(self, lines: Sequence[Json], default: Json, until: str | None) -> None:
        self.default = default
        self.events: list[One] = []
        self.found: set[Found] = set()
        self.rejected = 0
        # By (topic, source, subject) and epoch the time of each number that came, and why others were rejected.
        self.numbers: dict[tuple[str, str, str], dict[int, dict[int, Moment]]] = {}
        self.refused: dict[tuple[str, str, str, int, int], set[str]] = {}
        self.gaps: list[tuple[One, set[int]]] = []
        # Events that began an epoch, with the epoch before and its highest number.
        self.begun: list[tuple[One, int, int]] = []
        self.desks: dict[str, Desk] = {}
        # Looked at only once all is taken in.
        self.standing: list[One] | None = None
        for at, raw in enumerate(lines):
            self.take(One(raw, at))
        times = [one.time for one in self.events if one.topic != "rules"]
        self.clock = max([*times, *([moment(until)] if until else [])], default=None)

    def take(self, one: One) -> None:
        key = (one.topic, one.source, one.subject)
        if one.sequence is None:
            same = (e for e in self.events if (e.topic, *e.cause, e.subject) == (one.topic, *one.cause, one.subject))
            # Of a run another event of the same type and time is another one, if it says something else.
            if any(e.sequence is None and (not one.run or e.data == one.data) for e in same):
                return
        reused = one.sequence is not None and self.reused(key, one.epoch, one.sequence, one.time)
        if reused is None:
            return
        if not self.accepted(one):
            self.rejected += 1
            if one.sequence is not None:
                self.refused.setdefault((*key, one.epoch, one.sequence), set()).add("invalid-data")
            return
        if reused:
            self.rejected += 1
            return
        if one.sequence is not None:
            epochs = self.numbers.setdefault(key, {})
            if epochs and one.epoch > max(epochs):
                before = max(epochs)
                self.begun.append((one, before, max(epochs[before])))
            came = epochs.setdefault(one.epoch, {})
            missing = set(range(max(came, default=0) + 1, one.sequence))
            if missing:
                self.gaps.append((one, missing))
            came[one.sequence] = one.time
        self.events.append(one)
        if one.topic == "contracts":
            self.desk(one).after(one)

    def reused(self, key: tuple[str, str, str], epoch: int, number: int, time: Moment) -> bool | None:
        """Whether a number is of a source that counts anew without saying so; None of a duplicate."""
        epochs = self.numbers.get(key, {})
        came = epochs.get(epoch, {})
        if epochs and epoch < max(epochs) and (epoch not in sorted(epochs)[-2:] or number > max(came)):
            return True
        if number not in came:
            return False
        return True if time > max(came.values()) else None

    def desk(self, one: One) -> "Desk":
        return self.desks.setdefault(one.subject, Desk(one.subject, self))

    def accepted(self, one: One) -> bool:
        if one.type == "usage.cancelled":
            return self.desk(one).knows(one)
        if one.type == "usage.reported":
            return self.desk(one).may_wait(one)
        if one.type == "rulepack.published":
            modes = [setting.get("mode", "enforce") for setting in one.data.get("detectors", {}).values()]
            return "enforce" not in modes or len(set(one.data["approved_by"])) >= 2
        return True

    def stands(self, one: One, by: int | None = None) -> bool:
        """Whether an event was not taken back (among what came up to the place `by`)."""
        return not any(
            back.type == "event.retracted"
            and (by is None or back.at <= by)
            and (back.topic, back.source, back.subject) == (one.topic, one.source, one.subject)
            and (back.data["event"], back.data["type"].removeprefix("circulation.")) == (one.id, one.type)
            for back in self.events
        )

    def all(self, *types: str, subject: str | None = None) -> list[One]:
        """Events of these types that stand, in the order of (time, source, id)."""
        if self.standing is None:
            self.standing = sorted((one for one in self.events if self.stands(one)), key=lambda one: one.order)
        return [one for one in self.standing if one.type in types and subject in (None, one.subject)]

    def acts(self, type_: str, business: str | None, subject: str | None = None) -> list[One]:
        """Of several reports of one act that of the best reporter; with a business id the earliest of its reports."""
        acts: dict[tuple[str, str], list[One]] = {}
        for one in self.all(type_, subject=subject):
            if type_ in STATING and self.home(one.subject) not in (None, one.source):
                continue
            acts.setdefault((one.subject, one.data[business] if business else ""), []).append(one)
        kept: list[One] = []
        for reports in acts.values():
            best = [one for one in reports if one.reporter == min(each.reporter for each in reports)]
            kept += best[:1] if business and type_ not in EACH else best
        return sorted(kept, key=lambda one: one.order)

    def home(self, contract: str, by: int | None = None) -> str | None:
        """The source of what makes a contract's home."""
        made = self.made_home(contract, by)
        return None if made is None else made.source

    def made_home(self, contract: str, by: int | None = None) -> One | None:
        """The first signing on the key by the best reporter (of what came up to the place `by`).

        Of what was taken back only what was so before it came makes no home.
        """
        signed = [
            one
            for one in self.events
            if (one.type, one.subject) == ("contract.signed", contract)
            and (by is None or one.at <= by)
            and self.stands(one, one.at)
        ]
        return min(signed, key=lambda one: (one.reporter, one.at), default=None)

    def pack(self, instant: Moment, by: int | None = None) -> Json:
        """The pack in force at an instant (of what was published up to the place `by`)."""
        published = [
            one
            for one in self.events
            if one.type == "rulepack.published"
            and one.data["pack"] == self.default["pack"]
            and (by is None or one.at < by)
            and self.stands(one, by)
            and moment(one.data["valid_from"]) <= instant
            and ("valid_to" not in one.data or instant < moment(one.data["valid_to"]))
        ]
        best = max(published, key=lambda one: (moment(one.data["valid_from"]), *one.order), default=None)
        return self.default if best is None else best.data

    def setting(self, detector: str, instant: Moment, by: int | None = None) -> Json:
        setting: Json = self.pack(instant, by).get("detectors", {}).get(detector, {})
        return {"mode": "enforce"} | DEFAULTS.get(detector, {}) | setting

    def calendar(self, day: dt.date) -> Json:
        """What says which days are worked: the pack of a day, or the first later one that knows the day's year."""
        bounds = [
            moment(one.data[member])
            for one in self.events
            for member in ("valid_from", "valid_to")
            if one.type == "rulepack.published" and member in one.data
        ]
        instants = [midnight(day), *sorted(one for one in bounds if one > midnight(day))]
        settings = [self.setting("credit-clock", one) for one in instants]
        return next((one for one in settings if knows(day.year, one)), settings[0])

    def say(
        self,
        detector: str,
        severity: str,
        about: tuple[str, str],
        party: str | None,
        cause: One | None,
        occurred: Moment,
        by: int | None = None,
        **evidence: Any,
    ) -> Found | None:
        mode = self.setting(detector, occurred, by)["mode"]
        if mode == "off":
            return None
        named = None if cause is None else cause.cause
        found = Found(detector, severity, about, party, named, occurred, mode, chosen(**evidence))
        self.found.add(found)
        return found

    def first_stated(self, statements: Sequence[One], instant: Moment) -> One | None:
        """The latest that is not after the instant, else the earliest: for what registrations and terms describe."""
        ordered = sorted(statements, key=lambda one: one.order)
        earlier = [one for one in ordered if one.time <= instant]
        return earlier[-1] if earlier else (ordered[0] if ordered else None)

    def party(self, party: str, instant: Moment) -> Json:
        found = self.first_stated(self.all("party.registered", subject=party), instant)
        return {} if found is None else found.data

    def asset(self, asset: str, instant: Moment) -> Json | None:
        """The facts of an asset as lists see them; None where it is not registered."""
        registered = self.all("asset.registered", subject=asset)
        found = self.first_stated(registered, instant)
        if found is None:
            return None
        facts = self.held(found.data, self.first_stated(self.own(asset), instant))
        facts |= self.graded(one for one in self.leveling(asset) if one.time <= instant)
        if not facts.get("industry"):
            facts["industry"] = self.party(facts["owner"], instant).get("industry")
        return facts

    def own(self, asset: str) -> list[One]:
        """The registrations by the home of an asset: the source of the first that stands by the best reporter."""
        registered = self.all("asset.registered", subject=asset)
        made = min(registered, key=lambda one: (one.reporter, one.at), default=None)
        return [one for one in registered if made is not None and one.source == made.source]

    @staticmethod
    def held(data: Json, own: One | None) -> Json:
        """What is registered, with the owner and the rights of what its home registered."""
        return {**data, "owner": own.data["owner"], "rights": own.data["rights"]} if own is not None else dict(data)

    def owner_by(self, one: One, *, before: bool = False) -> str:
        """Who owns an asset once one of its registrations was made, or just before it."""
        own = self.own(one.subject)
        made = [each for each in own if each.order < one.order or (each is one and not before)]
        owner: str = (made or own[:1])[-1].data["owner"]
        return owner

    def leveling(self, asset: str) -> list[One]:
        """What states the level and class of an asset, in its order."""
        return self.all("asset.registered", "asset.graded", subject=asset)

    @staticmethod
    def graded(statements: Iterable[One]) -> Json:
        """The highest that was stated since the last approved grading, that one included; empty where nothing was."""
        since: list[One] = []
        for one in statements:
            since = [one] if one.type == "asset.graded" and one.data.get("approved_by") is not None else [*since, one]
        return {
            member: max((one.data[member] for one in since), key=ranks.index)
            for member, ranks in (("level", LEVELS), ("personal", CLASSES))
            if since
        }

    def contract(self, contract: str, instant: Moment) -> Json | None:
        statements = [one for type_ in TERMS_TYPES for one in self.acts(type_, None, contract)]
        found = self.first_stated(statements, instant)
        return None if found is None else found.data

    def grants(self, holder: str) -> list[One]:
        """Of several reports of one grant the best reporter's, of that the earliest."""
        kept: dict[str, One] = {}
        for one in sorted(self.all("grant.issued", subject=holder), key=lambda one: (one.reporter, *one.order)):
            kept.setdefault(one.data["grant"], one)
        return list(kept.values())

    def valid(self, grant: One, instant: Moment) -> bool:
        """Whether it was issued no later, is in its validity, and not revoked by then."""
        if grant.time > instant or moment(grant.data["valid_from"]) > instant:
            return False
        if "valid_to" in grant.data and instant >= moment(grant.data["valid_to"]):
            return False
        revoked = (one for one in self.all("grant.revoked", subject=grant.subject) if one.time <= instant)
        return all(one.data["grant"] != grant.data["grant"] for one in revoked)

    @staticmethod
    def covers(
        grant: Json,
        *,
        asset: str | None = None,
        purposes: Sequence[str] = (),
        countries: Sequence[str] = (),
        recipients: Sequence[str] = (),
    ) -> bool:
        """Whether each restriction contains what the act names; one by something that it does not name does not."""
        named = {
            "assets": [] if asset is None else [asset],
            "purposes": purposes,
            "countries": countries,
            "recipients": recipients,
        }
        return all(
            grant.get(member) is None
            or (
                values
                and all(
                    value in grant[member]
                    or (member == "purposes" and any(value.startswith(f"{one}/") for one in grant[member]))
                    for value in values
                )
            )
            for member, values in named.items()
        )

    def covered(self, holder: str, kinds: Iterable[str], instant: Moment, **named: Any) -> bool:
        """Whether a valid grant of one of these kinds covers what is named."""
        return any(
            one.data["kind"] in kinds and self.valid(one, instant) and self.covers(one.data, **named)
            for one in self.grants(holder)
        )

    def derivations(self) -> list[tuple[Moment, str, str, bool]]:
        """(when, output, input, whether inheritance stops there) of all derivations that stand."""
        found = []
        for one in self.all("asset.derived"):
            stops = (
                one.data.get("irreversible") is True
                and one.data["process"] in ("aggregate", "model", "anonymise")
                and bool(one.data.get("evidence"))
            )
            found += [(one.time, one.subject, each["asset"], stops) for each in one.data["inputs"]]
        edges = lineage.derivations(self.lineage)
        found += [(time, output, input_, False) for (output, input_), time in edges.items()]
        return [one for one in found if one[1] != one[2]]

    @property
    def lineage(self) -> list[Json]:
        """The OpenLineage events."""
        return [one.data for one in self.events if one.run]

    def edges(self, instant: Moment) -> list[tuple[str, str, bool]]:
        """(output, input, whether inheritance stops there) of the derivations made by then."""
        return [(output, input_, stops) for time, output, input_, stops in self.derivations() if time <= instant]

    def paths(self, asset: str, instant: Moment, sticky: bool) -> dict[str, list[str]]:
        """To each ancestor (and the asset itself) the shortest path down, of equal ones the smallest."""
        best = {asset: [asset]}
        edges = self.edges(instant)
        changed = True
        while changed:
            changed = False
            for output, input_, stops in edges:
                if output not in best or (stops and not sticky):
                    continue
                path = [input_, *best[output]]
                if input_ not in best or (len(path), path) < (len(best[input_]), best[input_]):
                    best[input_] = path
                    changed = True
        return best

    def end(self, contract: str) -> tuple[Moment, Json] | None:
        """The earlier of the termination and the `valid_to` in force just before it, and what was agreed then."""
        statements = [one for type_ in TERMS_TYPES for one in self.acts(type_, None, contract)]
        statements.sort(key=lambda one: one.order)
        terminated = self.acts("contract.terminated", None, contract)
        ends = [terminated[0].time] if terminated else []
        for at, one in enumerate(statements):
            valid_to = one.data["terms"].get("valid_to")
            after = statements[at + 1].time if at + 1 < len(statements) else None
            if valid_to is not None and (after is None or moment(valid_to) <= after):
                ends.append(moment(valid_to))
                break
        if not ends or not statements:
            return None
        end = min(ends)
        before = [one for one in statements if one.time < end] or statements[:1]
        return end, before[-1].data

    def above(self, party: str, instant: Moment) -> list[str]:
        """The party, its controller, that one's, and so on."""
        chain = [party]
        while (one := self.party(chain[-1], instant).get("controller")) is not None and one not in chain:
            chain.append(one)
        return chain

    def topmost(self, party: str, instant: Moment) -> str:
        """Who is at the head of the party's group; of those who control each other in a circle the smallest id."""
        chain = self.above(party, instant)
        again = self.party(chain[-1], instant).get("controller")
        return chain[-1] if again is None else min(chain[chain.index(again) :])

    def ciio(self, party: str, instant: Moment) -> bool:
        return bool(self.party(party, instant).get("ciio"))

    def registrations(self, asset: str, instant: Moment | None = None) -> list[One]:
        """The registrations of an asset that were made no later than the instant, in their order."""
        return [one for one in self.all("asset.registered", subject=asset) if instant is None or one.time <= instant]
