"""What must be found, by plain loops over all events: written from the public contract, and from nothing else.

It imports no word, rule or engine of the project, so that a misreading there does not repeat itself here. It keeps
everything, looks at everything for every question, and is right only for small worlds.
"""

import calendar
import datetime as dt
import fnmatch
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

Json = dict[str, Any]
Moment = dt.datetime

CHINA = dt.timezone(dt.timedelta(hours=8))
REPORTERS = ("exchange", "provider", "consumer")
TERMS_TYPES = ("contract.signed", "contract.amended")
TOPICS = {
    "party": "parties",
    "grant": "parties",
    "export": "parties",
    "source": "parties",
    "asset": "assets",
    "product": "assets",
    "contract": "contracts",
    "delivery": "contracts",
    "usage": "contracts",
    "deletion": "contracts",
    "rulepack": "rules",
}
WAITING_MAX = 10_000


class Found(NamedTuple):
    """A finding, as far as the model tells: evidence as sorted pairs of chosen members."""

    detector: str
    severity: str
    about: tuple[str, str]
    cause: tuple[str, str] | None
    occurred: Moment
    evidence: str


def moment(text: str) -> Moment:
    """RFC 3339 with an offset, or a date: the start of that day at +08:00."""
    if len(text) == 10:
        text += "T00:00:00+08:00"
    return dt.datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(CHINA)


def chosen(**evidence: Any) -> str:
    """Members of the evidence as one text that can be compared and sorted."""
    return repr(sorted(evidence.items()))


class One:
    """An event that was taken in; `at` is its place in the file."""

    def __init__(self, raw: Json, at: int) -> None:
        self.at = at
        self.run = "run" in raw
        if self.run:
            self.topic, self.type, self.subject = "assets", "run", raw["run"]["runId"]
            self.source, self.time = raw.get("producer", ""), moment(raw["eventTime"])
            self.id = f"{raw.get('eventType')}@{raw['eventTime']}"
            self.data, self.reporter, self.sequence = raw, 0, None
            return
        self.type = raw["type"].removeprefix("circulation.")
        self.subject, self.source, self.id = raw["subject"], raw["source"], raw["id"]
        self.time = moment(raw["time"])
        self.data = raw["data"]
        self.reporter = REPORTERS.index(raw.get("reporter", "exchange"))
        self.sequence = int(raw["sequence"]) if "sequence" in raw else None
        about = self.data["type"].removeprefix("circulation.") if self.type == "event.retracted" else self.type
        self.topic = TOPICS[about.split(".")[0]]

    @property
    def order(self) -> tuple[Moment, str, str]:
        return (self.time, self.source, self.id)

    @property
    def cause(self) -> tuple[str, str]:
        return (self.source, self.id)


class World:
    """All that was taken in, and what the default pack says."""

    def __init__(self, lines: Sequence[Json], default: Json, until: str | None) -> None:
        self.default = default
        self.events: list[One] = []
        self.found: set[Found] = set()
        self.rejected = 0
        self.numbers: dict[tuple[str, str, str], list[int]] = {}
        self.gaps: list[tuple[One, set[int]]] = []
        self.desks: dict[str, Desk] = {}
        for at, raw in enumerate(lines):
            self.take(One(raw, at))
        times = [one.time for one in self.events if one.topic != "rules"]
        self.clock = max([*times, *([moment(until)] if until else [])], default=None)

    # What is taken in.

    def take(self, one: One) -> None:
        key = (one.topic, one.source, one.subject)
        if one.sequence is None:
            same = (e for e in self.events if (e.topic, *e.cause, e.subject) == (one.topic, *one.cause, one.subject))
            if any(e.sequence is None for e in same):
                return
        elif one.sequence in self.numbers.get(key, []):
            return
        if not self.accepted(one):
            self.rejected += 1
            return
        if one.sequence is not None:
            came = self.numbers.setdefault(key, [])
            missing = set(range(max(came, default=0) + 1, one.sequence))
            if missing:
                self.gaps.append((one, missing))
            came.append(one.sequence)
        self.events.append(one)
        if one.topic == "contracts":
            self.desk(one).after(one)

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

    # What stands, and is in force.

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
        kept = [one for one in self.events if one.type in types and subject in (None, one.subject) and self.stands(one)]
        return sorted(kept, key=lambda one: one.order)

    def acts(self, type_: str, business: str | None, subject: str | None = None) -> list[One]:
        """Of several reports of one act that of the best reporter; with a business id the earliest of its reports."""
        acts: dict[tuple[str, str], list[One]] = {}
        for one in self.all(type_, subject=subject):
            acts.setdefault((one.subject, one.data[business] if business else ""), []).append(one)
        kept: list[One] = []
        for reports in acts.values():
            best = [one for one in reports if one.reporter == min(each.reporter for each in reports)]
            kept += best[:1] if business and type_ not in ("product.listed", "product.delisted") else best
        return sorted(kept, key=lambda one: one.order)

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
        return {"mode": "enforce"} | setting

    def say(
        self,
        detector: str,
        severity: str,
        about: tuple[str, str],
        cause: One | None,
        occurred: Moment,
        by: int | None = None,
        **evidence: Any,
    ) -> None:
        if self.setting(detector, occurred, by)["mode"] != "off":
            named = None if cause is None else cause.cause
            self.found.add(Found(detector, severity, about, named, occurred, chosen(**evidence)))

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
        facts = dict(found.data)
        later = [one for one in self.all("asset.registered", "asset.graded", subject=asset) if one.time <= instant]
        if later:
            facts |= {"level": later[-1].data["level"], "personal": later[-1].data["personal"]}
        if not facts.get("industry"):
            facts["industry"] = self.party(facts["owner"], instant).get("industry")
        return facts

    def contract(self, contract: str, instant: Moment) -> Json | None:
        statements = [one for type_ in TERMS_TYPES for one in self.acts(type_, None, contract)]
        found = self.first_stated(statements, instant)
        return None if found is None else found.data

    def covered(
        self,
        holder: str,
        kinds: Iterable[str],
        instant: Moment,
        *,
        asset: str | None,
        purposes: Sequence[str] = (),
        countries: Sequence[str] = (),
        recipients: Sequence[str] = (),
    ) -> bool:
        for one in self.all("grant.issued", subject=holder):
            grant = one.data
            if one.time > instant or grant["kind"] not in kinds or moment(grant["valid_from"]) > instant:
                continue
            if "valid_to" in grant and instant >= moment(grant["valid_to"]):
                continue
            revoked = [r for r in self.all("grant.revoked", subject=holder) if r.data["grant"] == grant["grant"]]
            if any(r.time <= instant for r in revoked):
                continue
            named = {
                "assets": [] if asset is None else [asset],
                "purposes": purposes,
                "countries": countries,
                "recipients": recipients,
            }
            if all(
                grant.get(member) is None
                or (
                    values
                    and all(
                        value in grant[member]
                        or (member == "purposes" and any(value.startswith(f"{p}/") for p in grant[member]))
                        for value in values
                    )
                )
                for member, values in named.items()
            ):
                return True
        return False

    # The rules over what is kept.

    def edges(self, instant: Moment) -> list[tuple[str, str, bool]]:
        """(output, input, whether inheritance stops there) of the derivations made by then."""
        found = []
        for one in self.all("asset.derived"):
            stops = (
                one.data.get("irreversible") is True
                and one.data["process"] in ("aggregate", "model", "anonymise")
                and bool(one.data.get("evidence"))
            )
            if one.time <= instant:
                found += [(one.subject, each["asset"], stops) for each in one.data["inputs"]]
        runs: dict[tuple[str, str], list[One]] = {}
        for one in self.events:
            if one.run:
                runs.setdefault((one.source, one.subject), []).append(one)
        for events in runs.values():
            completed = [one.time for one in events if one.data.get("eventType") == "COMPLETE"]
            if completed and min(completed) <= instant:
                named = [
                    {f"{d['namespace']}/{d['name']}" for one in events for d in one.data.get(side, [])}
                    for side in ("inputs", "outputs")
                ]
                found += [(output, input_, False) for output in named[1] for input_ in named[0]]
        return [edge for edge in found if edge[0] != edge[1]]

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

    def verdict(self, entry: Json, asset: str, level: str | None, instant: Moment, parties: set[str]) -> bool | None:
        """Whether an entry matches an asset: True, False, or None for what cannot be told."""
        facts = self.asset(asset, instant)
        match = entry["match"]
        answers: list[bool | None] = []
        for member, asked in match.items():
            if member == "assets":
                answers.append(asset in asked)
            elif member == "parties":
                known = bool(set(asked) & (parties | ({facts["owner"]} if facts else set())))
                answers.append(None if facts is None and not known else known)
            elif facts is None:
                answers.append(None)
            elif member == "level":
                levels = ["general", "important", "core"]
                mine = facts["level"]
                if level in levels and mine in levels:
                    mine = max(mine, level, key=levels.index)
                elif level == "core":
                    mine = level
                answers.append(None if mine == "ungraded" else mine in asked)
            elif member in ("category", "personal"):
                answers.append(facts[member] in asked)
            elif member == "tags":
                answers.append(bool(set(asked) & set(facts.get("tags") or ())))
            elif member == "public":
                answers.append(bool(facts.get("public")) is asked)
            elif member == "industry":
                answers.append(facts["industry"].startswith(asked) if facts["industry"] else None)
            elif member == "persons_min":
                persons = facts.get("persons")
                answers.append(None if persons is None else persons >= asked)
            elif member == "fields":
                fields = facts.get("fields")
                fits = any(fnmatch.fnmatchcase(f.lower(), g.lower()) for f in fields or () for g in asked)
                answers.append(None if fields is None else fits)
            else:
                raise AssertionError(member)
        return False if False in answers else None if None in answers else True

    def screen(
        self,
        one: One,
        action: str,
        asset: str,
        holder: str,
        parties: set[str],
        level: str | None = None,
        **named: Sequence[str],
    ) -> None:
        undecided = []
        for entry, severity, path in self.verdicts(one.time, action, asset, holder, parties, level, named):
            if path is None:
                undecided.append(entry)
                continue
            evidence = {"action": action, "verdict": "match", "entry": entry, "origin": path[0], "path": path}
            self.say("negative-list", severity, ("asset", asset), one, one.time, **evidence)
        if undecided:
            evidence = {"action": action, "verdict": "needs-info", "entries": sorted(undecided)}
            self.say("negative-list", "yellow", ("asset", asset), one, one.time, **evidence)

    def verdicts(
        self,
        instant: Moment,
        action: str,
        asset: str,
        holder: str,
        parties: set[str],
        level: str | None,
        named: dict[str, Any],
    ) -> Iterable[tuple[str, str, list[str] | None]]:
        """(entry, severity, path from the origin, or None where it cannot be told) of what is not satisfied."""
        for entry in self.pack(instant).get("negative_list", []):
            begun = moment(entry["valid_from"]) <= instant
            if not begun or ("valid_to" in entry and instant >= moment(entry["valid_to"])):
                continue
            if action not in entry["actions"]:
                continue
            restrict = entry["disposition"] == "restrict"
            if restrict and self.covered(holder, entry.get("unless", ()), instant, asset=asset, **named):
                continue
            paths = self.paths(asset, instant, entry.get("sticky", False))
            matching = [
                (len(path), origin)
                for origin, path in paths.items()
                if self.verdict(entry, origin, level if origin == asset else None, instant, parties) is True
            ]
            if matching:
                yield entry["id"], "orange" if restrict else "red", paths[min(matching)[1]]
            elif self.verdict(entry, asset, level, instant, parties) is None:
                yield entry["id"], "yellow", None

    def taking_effect(self) -> list[tuple[Moment, str]]:
        """When what circulates is screened: (instant, the id of an entry that takes effect then)."""
        published = [
            one.data
            for one in self.events
            if one.type == "rulepack.published" and one.data["pack"] == self.default["pack"] and self.stands(one)
        ]
        found = set()
        for pack in [self.default, *published]:
            for entry in pack.get("negative_list", []):
                instant = moment(entry["valid_from"])
                if pack is not self.default:
                    instant = max(instant, moment(pack["valid_from"]))
                if "valid_to" in entry and instant >= moment(entry["valid_to"]):
                    continue
                if self.pack(instant) is not pack:
                    continue
                before = instant - dt.timedelta(microseconds=1)
                if self.pack(before) is not pack and self.said_before(entry, before):
                    continue
                found.add((instant, entry["id"]))
        return sorted(found)

    def said_before(self, entry: Json, before: Moment) -> bool:
        """Whether the version before had this entry in force, and saying the same."""
        for other in self.pack(before).get("negative_list", []):
            in_force = moment(other["valid_from"]) <= before
            if "valid_to" in other and before >= moment(other["valid_to"]):
                in_force = False
            if other["id"] == entry["id"] and in_force:
                ordered = [
                    {
                        member: sorted(value) if isinstance(value, list) else value
                        for member, value in (each["match"] | {"un": each.get("unless", [])}).items()
                    }
                    for each in (entry, other)
                ]
                same = entry["disposition"] == other["disposition"] and ordered[0] == ordered[1]
                sticky = entry.get("sticky", False) == other.get("sticky", False)
                return same and sticky and set(entry["actions"]) == set(other["actions"])
        return False

    def listings_at(self, instant: Moment) -> list[One]:
        """Listings that stand: neither their product was delisted nor the asset withdrawn since, by the instant."""
        ends = []
        for one in self.acts("product.delisted", "product"):
            ends.append((one.subject, one.data["product"], one.time))
        for one in self.acts("asset.withdrawn", None):
            ends.append((one.subject, None, one.time))
        return [
            one
            for one in self.acts("product.listed", "product")
            if one.time <= instant
            and not any(
                asset == one.subject and product in (None, one.data["product"]) and one.time <= end <= instant
                for asset, product, end in ends
            )
        ]

    def contracts_at(self, instant: Moment) -> list[Json]:
        """What contracts in force say, in the order of their signing."""
        found = []
        for contract in {one.subject for one in self.events if one.type == "contract.signed"}:
            signings = self.acts("contract.signed", None, contract)
            ended = self.end(contract)
            if signings and signings[0].time <= instant and not (ended and ended[0] <= instant):
                found.append((signings[0].order, contract))
        stated = [self.contract(contract, instant) for _, contract in sorted(found)]
        return [one for one in stated if one is not None]

    def screenings(self) -> None:
        instants = self.taking_effect()
        for instant in {instant for instant, _ in instants if self.clock is not None and instant < self.clock}:
            entries = {id_ for each, id_ in instants if each == instant}
            offers: list[tuple[str, str, str, set[str], dict[str, Any]]] = []
            for one in self.listings_at(instant):
                named = {"purposes": one.data.get("purposes", ())}
                offers.append(("list", one.subject, one.data["seller"], {one.data["seller"]}, named))
            for data in self.contracts_at(instant):
                named = {
                    "purposes": data["terms"].get("purposes", ()),
                    "countries": data["terms"].get("countries", ()),
                    "recipients": (data["buyer"],),
                }
                offers.append(("trade", data["asset"], data["seller"], {data["seller"], data["buyer"]}, named))
            hits: dict[tuple[str, str, str], tuple[str, str, str, list[str]]] = {}
            doubts: dict[tuple[str, str], dict[str, str]] = {}
            for action, asset, seller, parties, named in offers:
                for entry, severity, path in self.verdicts(instant, action, asset, seller, parties, None, named):
                    if entry not in entries:
                        continue
                    if path is not None:
                        hits.setdefault((action, asset, entry), (severity, seller, path[0], path))
                    else:
                        doubts.setdefault((action, asset), {}).setdefault(entry, seller)
            for (action, asset, entry), (severity, seller, origin, path) in hits.items():
                evidence = {"action": action, "verdict": "match", "entry": entry, "origin": origin, "path": path}
                about = ("asset", asset)
                self.say("negative-list", severity, about, None, instant, **evidence, seller=seller)
            for (action, asset), doubted in doubts.items():
                left = {entry: seller for entry, seller in doubted.items() if (action, asset, entry) not in hits}
                if left:
                    evidence = {"action": action, "verdict": "needs-info", "entries": sorted(left)}
                    seller = next(iter(left.values()))
                    self.say("negative-list", "yellow", ("asset", asset), None, instant, **evidence, seller=seller)

    def negative_list(self) -> None:
        self.screenings()
        for one in self.acts("product.listed", "product"):
            seller = one.data["seller"]
            self.screen(one, "list", one.subject, seller, {seller}, purposes=one.data.get("purposes", ()))
        for one in self.acts("contract.signed", None):
            data = one.data
            self.screen(
                one,
                "trade",
                data["asset"],
                data["seller"],
                {data["seller"], data["buyer"]},
                purposes=data["terms"].get("purposes", ()),
                countries=data["terms"].get("countries", ()),
                recipients=(data["buyer"],),
            )
        for one in self.acts("delivery.completed", "delivery"):
            contract = self.contract(one.subject, one.time)
            if contract is not None:
                self.screen(
                    one,
                    "deliver",
                    contract["asset"],
                    contract["seller"],
                    {contract["seller"], contract["buyer"], one.data["recipient"]},
                    countries=[one.data["country"]] if "country" in one.data else (),
                    recipients=(one.data["recipient"],),
                )
        for one in self.acts("export.performed", "export"):
            contract = self.contract(one.data["contract"], one.time) if "contract" in one.data else None
            asset = one.data.get("asset") or (contract or {}).get("asset")
            if asset is not None:
                self.screen(
                    one,
                    "export",
                    asset,
                    one.subject,
                    {one.subject, one.data["recipient"]} | ({contract["buyer"]} if contract else set()),
                    one.data["level"],
                    countries=(one.data["country"],),
                    recipients=(one.data["recipient"],),
                )

    def exempt(self, one: One) -> bool:
        party = self.party(one.subject, one.time)
        persons = one.data["persons"] + one.data["sensitive_persons"]
        holds = {
            "contract": True,
            "emergency": True,
            "foreign-origin": True,
            "hr": party.get("employees") is not None and persons <= party["employees"],
            "no-personal": persons == 0,
            "ftz": bool(party.get("ftz")) and not party.get("ciio"),
            None: False,
        }
        return holds[one.data.get("exemption")]

    def exports(self) -> None:
        years: dict[tuple[str, int], list[One]] = {}
        for one in self.acts("export.performed", "export"):
            if not self.exempt(one):
                years.setdefault((one.subject, one.time.year), []).append(one)
        for (party, _), exports in years.items():
            sums = {"persons": 0, "sensitive_persons": 0}
            said: set[tuple[str, int]] = set()
            full = False
            for one in exports:
                for measure in sums:
                    sums[measure] += one.data[measure]
                named = {"countries": (one.data["country"],), "recipients": (one.data["recipient"],)}
                asset = one.data.get("asset")
                if self.party(party, one.time).get("ciio"):
                    continue
                if self.covered(party, ["security-assessment"], one.time, asset=asset, **named):
                    continue
                limits = {"persons": 1_000_000, "sensitive_persons": 10_000}
                limits |= self.setting("export-assessment-missing", one.time)
                reached = {
                    (measure, band)
                    for measure in sums
                    for band in (80, 95, 100)
                    if sums[measure] * 100 >= limits[measure] * band
                }
                new = reached - said
                said |= reached
                # Of equal bands of both measures, that of persons; the full one is once for both.
                measure, band = max(new, key=lambda one: (one[1], one[0] == "persons"), default=("", 0))
                if new and not (band == 100 and full):
                    full = full or band == 100
                    self.say(
                        "export-assessment-missing",
                        {80: "blue", 95: "yellow", 100: "red"}[band],
                        ("party", party),
                        one,
                        one.time,
                        band=band,
                        measure=measure,
                        sum=sums[measure],
                    )

    def end(self, contract: str) -> tuple[Moment, Json] | None:
        """The earlier of the termination and the `valid_to` in force just before it, and the terms of then."""
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
        return end, before[-1].data["terms"]

    def deletions(self) -> None:
        for contract in {one.subject for one in self.events if one.type in TERMS_TYPES}:
            ended = self.end(contract)
            if ended is None or "delete_within_days" not in ended[1]:
                continue
            deadline = ended[0] + dt.timedelta(hours=24 * ended[1]["delete_within_days"])
            proofs = self.acts("deletion.proved", None, contract)
            if self.clock > deadline and not any(one.time <= deadline for one in proofs):
                self.say(
                    "deletion-overdue",
                    "orange",
                    ("contract", contract),
                    None,
                    deadline,
                    end=ended[0].isoformat(),
                )

    def deliveries(self) -> None:
        lacking: set[tuple[str, str]] = set()
        for one in self.acts("delivery.completed", "delivery"):
            contract = self.contract(one.subject, one.time)
            if contract is None:
                continue
            for term, given, said in outside(one, contract["terms"]):
                if given is None and (one.subject, term) in lacking:
                    continue
                if given is None:
                    lacking.add((one.subject, term))
                severity = "yellow" if given is None else "orange"
                about = ("contract", one.subject)
                self.say("outside-terms", severity, about, one, one.time, term=term, given=said, kind="delivery")

    def provenance(self) -> None:
        traded = [(one, one.subject) for one in self.acts("product.listed", "product")]
        traded += [(one, one.data["asset"]) for one in self.acts("contract.signed", None)]
        for one, asset in traded:
            missing = [
                source
                for source in self.paths(asset, one.time, True)
                if not any(each.time <= one.time for each in self.all("asset.registered", subject=source))
            ]
            if missing:
                about = ("asset", asset)
                self.say("broken-provenance", "orange", about, one, one.time, missing=sorted(missing))

    def rights(self) -> None:
        for one in self.acts("product.listed", "product"):
            seller, asset = one.data["seller"], self.asset(one.subject, one.time) or {}
            if asset.get("owner") == seller and "operating" in asset["rights"]:
                continue
            named = {"purposes": one.data.get("purposes", ())}
            if not self.covered(seller, ["operating-right"], one.time, asset=one.subject, **named):
                about = ("asset", one.subject)
                self.say("right-missing", "orange", about, one, one.time, owner=asset.get("owner"))

    def raw(self) -> None:
        for one in self.acts("delivery.completed", "delivery"):
            contract = self.contract(one.subject, one.time)
            asset = None if contract is None else self.asset(contract["asset"], one.time)
            modes = self.setting("raw-public-data", one.time).get("modes", ["file", "api"])
            if asset is not None and asset.get("public") and one.data["mode"] in modes:
                about = ("contract", one.subject)
                self.say("raw-public-data", "red", about, one, one.time, mode=one.data["mode"])

    def late_deliveries(self) -> None:
        for one in self.acts("delivery.completed", "delivery"):
            ended = [each.time for each in self.acts("contract.terminated", None, one.subject)]
            if ended and min(ended) <= one.time and self.contract(one.subject, one.time) is not None:
                self.after_end(one, min(ended), "delivery")

    def after_end(self, one: One, ended: Moment, kind: str, by: int | None = None) -> None:
        about = ("contract", one.subject)
        self.say("use-after-end", "orange", about, one, one.time, by, kind=kind, terminated=ended.isoformat())

    def above(self, party: str, instant: Moment) -> list[str]:
        """The party, its controller, that one's, and so on."""
        chain = [party]
        while (one := self.party(chain[-1], instant).get("controller")) is not None and one not in chain:
            chain.append(one)
        return chain

    def related(self) -> None:
        earlier: dict[frozenset[str], list[Moment]] = {}
        for one in self.acts("contract.signed", None):
            seller, buyer = one.data["seller"], one.data["buyer"]
            common = [each for each in self.above(seller, one.time) if each in self.above(buyer, one.time)]
            if not common:
                continue
            times = earlier.setdefault(frozenset({seller, buyer}), [])
            times.append(one.time)
            setting = {"months": 12, "repeated": 3} | self.setting("related-party-trade", one.time)
            since = months_after(one.time, -setting["months"])
            trades = sum(1 for each in times if each >= since)
            severity = "orange" if trades >= setting["repeated"] else "yellow"
            evidence = {"controller": common[0], "trades": trades}
            self.say("related-party-trade", severity, ("contract", one.subject), one, one.time, **evidence)

    def feed_gaps(self) -> None:
        for one, missing in self.gaps:
            if missing - set(self.numbers[(one.topic, one.source, one.subject)]):
                spans = [[min(missing), max(missing)]]
                evidence = {"topic": f"circulation.{one.topic}", "subject": one.subject, "missing": spans}
                self.say("feed-gap", "yellow", ("source", one.source), one, one.time, one.at, **evidence)

    def judge(self) -> set[Found]:
        for rule in (
            self.negative_list,
            self.provenance,
            self.rights,
            self.raw,
            self.late_deliveries,
            self.related,
            self.exports,
            self.deletions,
            self.deliveries,
            self.feed_gaps,
        ):
            rule()
        return self.found


def months_after(instant: Moment, months: int) -> Moment:
    """The same time of the day at +08:00 some calendar months later, at most the month's last day."""
    year, month = divmod(instant.year * 12 + instant.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last))


def outside(one: One, terms: Json) -> Iterable[tuple[str, str | None, str | None]]:
    """(term, "broken" or None where it is lacking, what is given) of what a use or delivery breaks."""
    use = one.type == "usage.reported"
    if not within(terms, one.time):
        yield "time", "broken", None
    given: list[tuple[str, str | None, list[str] | None, bool]] = [
        ("country", one.data.get("country"), terms.get("countries"), True),
        ("region", one.data.get("region"), terms.get("regions"), True),
        ("recipient", one.data.get("actor" if use else "recipient"), terms.get("recipients"), False),
    ]
    if use:
        given.append(("environment", one.data.get("environment"), terms.get("environments"), True))
    else:
        given.append(("mode", one.data["mode"], terms.get("delivery"), False))
    for term, value, allowed, must in given:
        if allowed is None:
            continue
        if value is None:
            if must:
                yield term, None, None
        elif not any(value == each or (term == "region" and below(value, each)) for each in allowed):
            yield term, "broken", value


def below(region: str, above: str) -> bool:
    """Whether a region is one of another's sub-regions."""
    if above[2:] == "0000":
        return region[:2] == above[:2]
    return above[4:] == "00" and region[:4] == above[:4]


def within(terms: Json, instant: Moment) -> bool:
    """Whether an instant is in [valid_from, valid_to)."""
    return moment(terms["valid_from"]) <= instant and not ("valid_to" in terms and instant >= moment(terms["valid_to"]))


class Counted:
    """A use that was counted: what is left of it, and the licence that it was counted under."""

    def __init__(self, one: One, licence: One | None) -> None:
        self.one = one
        self.left = one.data["uses"]
        self.licence = licence


class Desk:
    """One contract, in the order of its key."""

    def __init__(self, contract: str, world: World) -> None:
        self.contract = contract
        self.world = world
        self.terms: list[One] = []
        self.waiting: list[One | Counted] = []
        self.uses: list[Counted] = []
        self.deliveries: list[One] = []
        self.bands: dict[tuple[Any, ...], int] = {}
        self.lacking: set[str] = set()
        self.origins: dict[tuple[int, str], int] = {}

    def visible(self, at: int) -> list[One]:
        """The statements of terms that stand at this place of the key, of each kind those of the best reporter."""
        stand = [one for one in self.terms if self.world.stands(one, at)]
        return [one for one in stand if one.reporter == min(e.reporter for e in stand if e.type == one.type)]

    def licence(self, instant: Moment, at: int) -> One | None:
        return self.world.first_stated(self.visible(at), instant)

    def ended(self, at: int) -> Moment | None:
        """The earliest termination that stands at this place of the key, of the best reporter's."""
        came = [
            one
            for one in self.world.events
            if (one.type, one.subject) == ("contract.terminated", self.contract)
            and one.at <= at
            and self.world.stands(one, at)
        ]
        best = min((one.reporter for one in came), default=None)
        return min((one.time for one in came if one.reporter == best), default=None)

    def may_wait(self, one: One) -> bool:
        waiting = sum(1 for each in self.waiting if isinstance(each, Counted))
        return bool(self.visible(one.at)) or waiting < WAITING_MAX

    def knows(self, one: One) -> bool:
        return any((use.one.source, use.one.id) == (one.source, one.data["usage"]) for use in self.known())

    def known(self) -> list[Counted]:
        return [*self.uses, *(one for one in self.waiting if isinstance(one, Counted))]

    def after(self, one: One) -> None:
        if one.type in TERMS_TYPES:
            if self.world.stands(one, one.at):
                self.origin(one)
                self.terms.append(one)
                self.release(one.at)
        elif one.type == "usage.reported":
            use = Counted(one, None)
            if self.visible(one.at):
                self.use(use, one.at)
            else:
                self.waiting.append(use)
        elif one.type == "usage.cancelled":
            (use,) = (u for u in self.known() if (u.one.source, u.one.id) == (one.source, one.data["usage"]))
            use.left -= min(use.left, one.data["uses"])
        elif one.type == "event.retracted":
            self.take_back(one)
        elif one.type == "delivery.completed":
            if self.visible(one.at):
                self.deliver(one, one.at)
            else:
                self.waiting.append(one)

    def release(self, at: int) -> None:
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            if isinstance(one, Counted):
                self.use(one, at)
            else:
                self.deliver(one, at)

    def origin(self, one: One) -> None:
        """Since which statement each limit has the value that this one gives it: bands begin anew with another."""
        before = [each for each in self.visible(one.at) if each.time <= one.time]
        last = max(before, key=lambda each: each.order, default=None)
        for limit in ("uses_max", "bytes_max", "rows_max", "persons_max", "windows"):
            mine, own = self.limit(one, limit), one.at
            if last is not None and self.limit(last, limit) == mine:
                own = self.origins[(last.at, limit)]
            self.origins[(one.at, limit)] = own

    def limit(self, one: One, limit: str) -> Any:
        terms = one.data["terms"]
        if limit == "windows" and terms.get("windows"):
            return (moment(terms["valid_from"]), terms["windows"])
        return terms.get(limit)

    def use(self, use: Counted, at: int) -> None:
        one = use.one
        use.licence = self.licence(one.time, at)
        self.uses.append(use)
        terms, about = use.licence.data["terms"], ("contract", self.contract)
        purposes, purpose = terms.get("purposes"), one.data["purpose"]
        if purposes is not None and not any(purpose == p or purpose.startswith(f"{p}/") for p in purposes):
            self.world.say("purpose-drift", "orange", about, one, one.time, at, given=purpose)
        for term, given, said in outside(one, terms):
            if given is None and term in self.lacking:
                continue
            if given is None:
                self.lacking.add(term)
            severity = "yellow" if given is None else "orange"
            self.world.say("outside-terms", severity, about, one, one.time, at, term=term, given=said, kind="use")
        if (ended := self.ended(at)) is not None and ended <= one.time:
            self.world.after_end(one, ended, "use", at)
        self.limits(one, use.licence, at, {"uses": use.left} | {m: one.data.get(m) or 0 for m in ("bytes", "rows")})
        self.windows(use, at)

    def deliver(self, one: One, at: int) -> None:
        if not self.world.stands(one, at):
            return
        measures = ("bytes", "rows", "persons")
        before = {measure: self.total(measure, one.reporter, at) for measure in measures}
        self.deliveries.append(one)
        more = {measure: self.total(measure, one.reporter, at) - before[measure] for measure in measures}
        licence = self.licence(one.time, at)
        if licence is not None:
            self.limits(one, licence, at, more)

    def take_back(self, one: One) -> None:
        """Another report of a delivery that was taken back may then count, and with more than that one had."""
        for target in self.deliveries:
            if target.cause != (one.source, one.data["event"]) or not self.world.stands(target, one.at - 1):
                continue
            measures = ("bytes", "rows", "persons")
            more = {
                measure: self.total(measure, target.reporter, one.at) - self.total(measure, target.reporter, one.at - 1)
                for measure in measures
            }
            others = [
                each
                for each in self.deliveries
                if (each.data["delivery"], each.reporter) == (target.data["delivery"], target.reporter)
                and self.world.stands(each, one.at)
            ]
            counting = min(others, key=lambda each: each.order, default=None)
            licence = None if counting is None else self.licence(counting.time, one.at)
            if counting is not None and licence is not None:
                self.limits(counting, licence, one.at, more)

    def total(self, measure: str, reporter: int, at: int) -> int:
        """What a reporter reported so far and did not take back."""
        uses = [use for use in self.uses if use.one.reporter == reporter]
        if measure == "uses":
            return sum(use.left for use in uses)
        total = sum(use.one.data.get(measure) or 0 for use in uses)
        earliest: dict[str, One] = {}
        for one in sorted(self.deliveries, key=lambda one: one.order):
            if one.reporter == reporter and self.world.stands(one, at):
                earliest.setdefault(one.data["delivery"], one)
        return total + sum(one.data.get(measure) or 0 for one in earliest.values())

    def limits(self, one: One, licence: One, at: int, more: dict[str, int]) -> None:
        for measure, added in more.items():
            maximum = licence.data["terms"].get(f"{measure}_max")
            if maximum is None or added <= 0:
                continue
            used = max(self.total(measure, reporter, at) for reporter in range(3))
            origin = self.origins[(licence.at, f"{measure}_max")]
            self.band((measure, origin), used, maximum, one, at, limit=measure)

    def windows(self, use: Counted, at: int) -> None:
        one, licence = use.one, use.licence
        terms = licence.data["terms"]
        if not within(terms, one.time) or not use.left:
            return
        origin = self.origins[(licence.at, "windows")]
        for window in {(w["seconds"], w["uses_max"]) for w in terms.get("windows") or ()}:
            start = self.start(one.time, licence, window[0])
            counts = [0, 0, 0]
            for other in self.uses:
                if (
                    self.origins[(other.licence.at, "windows")] == origin
                    and within(other.licence.data["terms"], other.one.time)
                    and self.start(other.one.time, other.licence, window[0]) == start
                ):
                    counts[other.one.reporter] += other.left
            evidence = {"limit": "window", "seconds": window[0], "window": start.isoformat()}
            self.band(("window", origin, window, start), max(counts), window[1], one, at, **evidence)

    @staticmethod
    def start(instant: Moment, licence: One, seconds: int) -> Moment:
        valid_from, length = moment(licence.data["terms"]["valid_from"]), dt.timedelta(seconds=seconds)
        return valid_from + (instant - valid_from) // length * length

    def band(self, key: tuple[Any, ...], used: int, maximum: int, one: One, at: int, **evidence: Any) -> None:
        bands = [(120, "red"), (100, "orange"), (95, "yellow"), (80, "blue")]
        for band, severity in bands:
            if used and (used * 100 > maximum * band if band >= 100 else used * 100 >= maximum * band):
                if band > self.bands.get(key, 0):
                    self.bands[key] = band
                    numbers = {"maximum": maximum, "used": used, "band": band}
                    about = ("contract", self.contract)
                    self.world.say("usage-limit", severity, about, one, one.time, at, **numbers, **evidence)
                return


MEMBERS: dict[str, Callable[[Json], Json]] = {
    "negative-list": lambda e: {k: e[k] for k in ("action", "verdict", "entry", "origin", "path", "entries") if k in e},
    "export-assessment-missing": lambda e: {k: e[k] for k in ("band", "measure", "sum")},
    "deletion-overdue": lambda e: {"end": moment(e["end"]).isoformat()},
    "outside-terms": lambda e: {
        "term": e["term"],
        "given": None if e["term"] == "time" else e["given"],
    },
    "purpose-drift": lambda e: {"given": e["given"]},
    "broken-provenance": lambda e: {"missing": e["missing"]},
    "right-missing": lambda e: {"owner": e["owner"]},
    "raw-public-data": lambda e: {"mode": e["mode"]},
    "use-after-end": lambda e: {"kind": e["kind"], "terminated": moment(e["terminated"]).isoformat()},
    "related-party-trade": lambda e: {k: e[k] for k in ("controller", "trades")},
    "feed-gap": lambda e: {k: e[k] for k in ("topic", "subject", "missing")},
    "usage-limit": lambda e: (
        {k: e[k] for k in ("limit", "maximum", "used", "band", "seconds") if k in e}
        | ({"window": moment(e["window"]).isoformat()} if "window" in e else {})
    ),
}


def seen(data: Json) -> Found:
    """A finding of the engine in the form of the model."""
    evidence = MEMBERS[data["detector"]](data["evidence"])
    if data["detector"] == "outside-terms":
        evidence["kind"] = "delivery" if "delivery" in data["summary"].split(" ")[1] else "use"
    cause = data.get("cause")
    if data["detector"] == "negative-list" and cause is None:
        evidence["seller"] = data["party"]
    return Found(
        data["detector"],
        data["severity"],
        (data["about"]["kind"], data["about"]["id"]),
        None if cause is None else (cause["source"], cause["id"]),
        moment(data["occurred"]),
        chosen(**evidence),
    )


def findings(lines: Sequence[Json], default: Json, until: str | None) -> set[Found]:
    """What must stand after these events, under this pack, at the end of the clock."""
    return World(lines, default, until).judge()
