"""The negative list: what was done held against it, and what circulates whenever an entry takes effect."""

import datetime as dt
import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from tests.model.events import Json, Moment, One, moment
from tests.model.exports import Sent, undeclared
from tests.model.world import World


def same(text: str) -> str:
    """A text as texts are compared: without blanks around it, what is not seen, case, or other forms of one letter."""
    seen = "".join(one for one in text if unicodedata.category(one) != "Cf" and one not in "\u034f\u3164\ufe0f")
    for _ in range(2):
        seen = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", seen).casefold())
    return seen.strip()


def same_id(text: str) -> str:
    """An id as ids are compared."""
    return re.sub(r"\b0x[0-9a-f]+\b", lambda found: found[0].lower(), text, flags=re.IGNORECASE)


def looks_like(field: str, glob: str) -> bool:
    """Whether a field with Cyrillic and Latin letters looks like one that fits."""
    scripts = {unicodedata.name(one, "").split()[0] for one in field if one.isalpha()}
    latin = field.lower().translate(str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456", "aeopcyxi"))
    return len(scripts) > 1 and fnmatch.fnmatchcase(same(latin), same(glob))


def verdict(
    world: World, entry: Json, asset: str, level: str | None, instant: Moment, parties: set[str]
) -> bool | None:
    """Whether an entry matches an asset at an instant: True, False, or None for what cannot be told."""
    return fits(world, entry, asset, world.asset(asset, instant), level, parties, instant)


def fits(
    world: World,
    entry: Json,
    asset: str,
    facts: Json | None,
    level: str | None,
    parties: set[str],
    instant: Moment,
) -> bool | None:
    """Whether an entry matches an asset of these facts: True, False, or None for what cannot be told."""
    match = entry["match"]
    answers: list[bool | None] = []
    for member, asked in match.items():
        if member == "assets":
            answers.append(same_id(asset) in map(same_id, asked))
        elif member == "parties":
            known = bool(listed(world, asked, parties, facts, instant))
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
        elif member == "personal":
            answers.append(facts[member] in asked)
        elif member == "category":
            answers.append(same(facts[member]) in map(same, asked))
        elif member == "tags":
            answers.append(bool(set(map(same, asked)) & set(map(same, facts.get("tags") or ()))))
        elif member == "public":
            answers.append(bool(facts.get("public")) is asked)
        elif member == "industry":
            answers.append(facts["industry"].startswith(asked) if facts["industry"] else None)
        elif member == "persons_min":
            persons = facts.get("persons")
            answers.append(None if persons is None else persons >= asked)
        elif member == "fields":
            fields = facts.get("fields")
            fit = any(fnmatch.fnmatchcase(same(f), same(g)) for f in fields or () for g in asked)
            looks = any(looks_like(f, g) for f in fields or () for g in asked)
            answers.append(None if fields is None or (looks and not fit) else fit)
        else:
            raise AssertionError(member)
    return False if False in answers else None if None in answers else True


def listed(
    world: World, asked: Sequence[str], parties: set[str], facts: Json | None, instant: Moment
) -> list[tuple[int, str, str]]:
    """(steps of control, party of the act or owner, whom the entry names) for all that an entry names."""
    return sorted(
        (steps, party, above)
        for party in parties | ({facts["owner"]} if facts and facts.get("owner") else set())
        for steps, above in enumerate(world.above(party, instant))
        if same_id(above) in map(same_id, asked)
    )


def named_by(world: World, entry: str, origin: str, parties: set[str], instant: Moment) -> dict[str, str]:
    """Whom the entry names, and which party that is or controls."""
    (match,) = [
        one["match"]
        for one in world.pack(instant)["negative_list"]
        if one["id"] == entry
        and moment(one["valid_from"]) <= instant
        and not ("valid_to" in one and instant >= moment(one["valid_to"]))
    ]
    if "parties" not in match:
        return {}
    _, party, above = listed(world, match["parties"], parties, world.asset(origin, instant), instant)[0]
    return {"listed": above, "through": party}


def screen(
    world: World,
    one: One,
    action: str,
    asset: str,
    holder: str,
    parties: set[str],
    level: str | None = None,
    **named: Sequence[str],
) -> None:
    undecided = []
    for entry, severity, path in verdicts(world, one.time, action, asset, holder, parties, level, named):
        if path is None:
            undecided.append(entry)
            continue
        evidence = {"action": action, "verdict": "match", "entry": entry, "origin": path[0], "path": path}
        evidence |= named_by(world, entry, path[0], parties, one.time)
        world.say("negative-list", severity, ("asset", asset), holder, one, one.time, **evidence)
    if undecided:
        evidence = {"action": action, "verdict": "needs-info", "entries": sorted(undecided)}
        world.say("negative-list", "yellow", ("asset", asset), holder, one, one.time, **evidence)


def verdicts(
    world: World,
    instant: Moment,
    action: str,
    asset: str,
    holder: str,
    parties: set[str],
    level: str | None,
    named: dict[str, Any],
) -> Iterable[tuple[str, str, list[str] | None]]:
    """(entry, severity, path from the origin, or None where it cannot be told) of what is not satisfied."""
    for entry in world.pack(instant).get("negative_list", []):
        begun = moment(entry["valid_from"]) <= instant
        if not begun or ("valid_to" in entry and instant >= moment(entry["valid_to"])):
            continue
        if action not in entry["actions"]:
            continue
        restrict = entry["disposition"] == "restrict"
        if restrict and world.covered(holder, entry.get("unless", ()), instant, asset=asset, **named):
            continue
        paths = world.paths(asset, instant, entry.get("sticky", False))
        matching = [
            (len(path), origin)
            for origin, path in paths.items()
            if verdict(world, entry, origin, level if origin == asset else None, instant, parties) is True
        ]
        if matching:
            yield entry["id"], "orange" if restrict else "red", paths[min(matching)[1]]
        elif verdict(world, entry, asset, level, instant, parties) is None:
            yield entry["id"], "yellow", None


def taking_effect(world: World) -> list[tuple[Moment, str]]:
    """When what circulates is screened: (instant, the id of an entry that takes effect then)."""
    published = [
        one.data
        for one in world.events
        if one.type == "rulepack.published" and one.data["pack"] == world.default["pack"] and world.stands(one)
    ]
    found = set()
    for pack in [world.default, *published]:
        for entry in pack.get("negative_list", []):
            instant = moment(entry["valid_from"])
            if pack is not world.default:
                instant = max(instant, moment(pack["valid_from"]))
            if "valid_to" in entry and instant >= moment(entry["valid_to"]):
                continue
            if world.pack(instant) is not pack:
                continue
            before = instant - dt.timedelta(microseconds=1)
            if world.pack(before) is not pack and said_before(world, entry, before):
                continue
            found.add((instant, entry["id"]))
    return sorted(found)


def said_before(world: World, entry: Json, before: Moment) -> bool:
    """Whether the version before had this entry in force, and saying the same."""
    for other in world.pack(before).get("negative_list", []):
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


def listings_at(world: World, instant: Moment) -> list[One]:
    """Listings that stand: neither their product was delisted nor the asset withdrawn since, by the instant."""
    ends = []
    for one in world.acts("product.delisted", "product"):
        ends.append((one.subject, one.data["product"], one.time))
    for one in world.acts("asset.withdrawn", None):
        ends.append((one.subject, None, one.time))
    return [
        one
        for one in world.acts("product.listed", "product")
        if one.time <= instant
        and not any(
            asset == one.subject and product in (None, one.data["product"]) and one.time <= end <= instant
            for asset, product, end in ends
        )
    ]


def contracts_at(world: World, instant: Moment) -> list[Json]:
    """What contracts in force say, in the order of their signing."""
    found = []
    for contract in {one.subject for one in world.events if one.type == "contract.signed"}:
        signings = world.acts("contract.signed", None, contract)
        ended = world.end(contract)
        if signings and signings[0].time <= instant and not (ended and ended[0] <= instant):
            found.append((signings[0].order, contract))
    stated = [world.contract(contract, instant) for _, contract in sorted(found)]
    return [one for one in stated if one is not None]


def screenings(world: World) -> None:
    instants = taking_effect(world)
    for instant in {instant for instant, _ in instants if world.clock is not None and instant < world.clock}:
        entries = {id_ for each, id_ in instants if each == instant}
        offers: list[tuple[str, str, str, set[str], dict[str, Any]]] = []
        for one in listings_at(world, instant):
            named = {"purposes": one.data.get("purposes", ())}
            offers.append(("list", one.subject, one.data["seller"], {one.data["seller"]}, named))
        for data in contracts_at(world, instant):
            named = {
                "purposes": data["terms"].get("purposes", ()),
                "countries": data["terms"].get("countries", ()),
                "recipients": (data["buyer"],),
            }
            offers.append(("trade", data["asset"], data["seller"], {data["seller"], data["buyer"]}, named))
        hits: dict[tuple[str, str, str], tuple[str, str, list[str], dict[str, str]]] = {}
        doubts: dict[tuple[str, str], dict[str, str]] = {}
        for action, asset, seller, parties, named in offers:
            for entry, severity, path in verdicts(world, instant, action, asset, seller, parties, None, named):
                if entry not in entries:
                    continue
                if path is not None:
                    by_party = named_by(world, entry, path[0], parties, instant)
                    hits.setdefault((action, asset, entry), (severity, seller, path, by_party))
                else:
                    doubts.setdefault((action, asset), {}).setdefault(entry, seller)
        for (action, asset, entry), (severity, seller, path, by_party) in hits.items():
            evidence = {"action": action, "verdict": "match", "entry": entry, "origin": path[0], "path": path}
            evidence |= by_party
            about = ("asset", asset)
            world.say("negative-list", severity, about, seller, None, instant, **evidence)
        for (action, asset), doubted in doubts.items():
            left = {entry: seller for entry, seller in doubted.items() if (action, asset, entry) not in hits}
            if left:
                evidence = {"action": action, "verdict": "needs-info", "entries": sorted(left)}
                seller = next(iter(left.values()))
                world.say("negative-list", "yellow", ("asset", asset), seller, None, instant, **evidence)


def exported(world: World, sent: Sent) -> None:
    """A delivery that is an export as well: what is not said of it as a delivery already, an entry and cause once."""
    one = sent.one
    assert sent.asset is not None
    parties = {sent.party, (world.contract(one.subject, one.time) or {})["buyer"], one.data["recipient"]}
    countries = [one.data["country"]] if "country" in one.data else []
    named = {"countries": countries, "recipients": [one.data["recipient"]]}
    delivered, more = (
        list(verdicts(world, one.time, action, sent.asset, sent.party, parties, None, named))
        for action in ("deliver", "export")
    )
    about = ("asset", sent.asset)
    for entry, severity, path in more:
        if path is not None and all(each != entry or its is None for each, _, its in delivered):
            evidence = {"action": "export", "verdict": "match", "entry": entry, "origin": path[0], "path": path}
            world.say("negative-list", severity, about, sent.party, one, one.time, **evidence)
    undecided = sorted(entry for entry, _, path in more if path is None)
    if undecided and all(path is not None for _, _, path in delivered):
        evidence = {"action": "export", "verdict": "needs-info", "entries": undecided}
        world.say("negative-list", "yellow", about, sent.party, one, one.time, **evidence)


def negative_list(world: World) -> None:
    screenings(world)
    for one in world.acts("product.listed", "product"):
        seller = one.data["seller"]
        screen(world, one, "list", one.subject, seller, {seller}, purposes=one.data.get("purposes", ()))
    for one in world.acts("contract.signed", None):
        data = one.data
        screen(
            world,
            one,
            "trade",
            data["asset"],
            data["seller"],
            {data["seller"], data["buyer"]},
            purposes=data["terms"].get("purposes", ()),
            countries=data["terms"].get("countries", ()),
            recipients=(data["buyer"],),
        )
    for one in world.acts("delivery.completed", "delivery"):
        contract = world.contract(one.subject, one.time)
        if contract is not None:
            screen(
                world,
                one,
                "deliver",
                contract["asset"],
                contract["seller"],
                {contract["seller"], contract["buyer"], one.data["recipient"]},
                countries=[one.data["country"]] if "country" in one.data else (),
                recipients=(one.data["recipient"],),
            )
    for sent, _, deadline in undeclared(world):
        if world.setting("undeclared-export", deadline)["mode"] != "off":
            exported(world, sent)
    for one in world.acts("export.performed", "export"):
        contract = world.contract(one.data["contract"], one.time) if "contract" in one.data else None
        asset = one.data.get("asset") or (contract or {}).get("asset")
        if asset is not None:
            screen(
                world,
                one,
                "export",
                asset,
                one.subject,
                {one.subject, one.data["recipient"]} | ({contract["buyer"]} if contract else set()),
                one.data["level"],
                countries=(one.data["country"],),
                recipients=(one.data["recipient"],),
            )


def relabelled(world: World) -> None:
    """Registrations by which an entry no longer matches, and those by others that state another owner or other rights.

    Everybody is an official here, so that the home may change both.
    """
    for one in world.all("asset.registered"):
        gradings = world.all("asset.graded", subject=one.subject)
        if any(each.data.get("approved_by") is not None and each.time >= one.time for each in gradings):
            continue
        about, own = ("asset", one.subject), world.own(one.subject)
        owner = world.owner_by(one)
        if one not in own:
            held = world.first_stated(own, one.time) or own[0]
            changed = ["owner"] if held.data["owner"] != one.data["owner"] else []
            changed += ["rights"] if {*held.data["rights"]} != {*one.data["rights"]} else []
            if changed:
                world.say("relabelled", "orange", about, owner, one, one.time, entry=None, changed=changed)
        unfitting(world, one, one.subject, owner)
    for back, _ in undone(world):
        gradings = world.all("asset.graded", subject=back.subject)
        approved = any(each.data.get("approved_by") is not None and each.time >= back.time for each in gradings)
        # Where nothing is registered, there is no act with which it would be looked at.
        acts = world.all("asset.registered", "asset.graded", subject=back.subject)
        if not approved and acts:
            owner = (world.asset(back.subject, back.time) or {}).get("owner")
            unfitting(world, back, back.subject, owner)


def unfitting(world: World, one: One, asset: str, owner: str | None) -> None:
    """The entries that no longer match by a registration, or by a retraction of one."""
    before, after = (facts_around(world, one, and_itself) for and_itself in (False, True))
    if before is None:
        return
    for entry in sorted(set(lost(world, one, before, after))):
        changed = sorted(
            member
            for member in MEMBERS
            if normal(before.get(member), member) != normal((after or NOTHING).get(member), member)
        )
        world.say("relabelled", "orange", ("asset", asset), owner, one, one.time, entry=entry, changed=changed)


NOTHING = {"level": "ungraded", "personal": "none"}


def undone(world: World) -> list[tuple[One, One]]:
    """The retractions of registrations that came after these, each with what it took back."""
    found = []
    for one in world.events:
        if one.type == "asset.registered" and not world.stands(one) and world.stands(one, one.at):
            back = next(
                each
                for each in world.events
                if each.type == "event.retracted"
                and (each.topic, each.source, each.subject) == (one.topic, one.source, one.subject)
                and (each.data["event"], each.data["type"].removeprefix("circulation.")) == (one.id, one.type)
            )
            found.append((back, one))
    return found


MEMBERS = ("owner", "category", "industry", "level", "personal", "fields", "tags", "public", "persons")


def normal(value: Any, member: str) -> Any:
    """A fact as it counts: tags that are absent are none, public that is absent is false."""
    return value or ([] if member == "tags" else False) if member in ("tags", "public") else value


def facts_around(world: World, one: One, and_itself: bool) -> Json | None:
    """The facts of an asset just before one of its registrations or a retraction, or once it was made.

    What was taken back later was in force by then; of levels it is as if it had never been.
    """

    def by_then(each: One) -> bool:
        return each.order < one.order or (and_itself and each is one)

    made = [each for each in world.leveling(one.subject) if by_then(each)]
    gone = [each for back, each in undone(world) if each.subject == one.subject and by_then(each) and not by_then(back)]
    registered = sorted(
        [*(each for each in made if each.type == "asset.registered"), *gone], key=lambda each: each.order
    )
    if not registered:
        return None
    own = world.own(one.subject)
    home = own[0].source if own else None
    mine = [each for each in registered if home in (None, each.source)]
    facts = world.held(registered[-1].data, (mine or own[:1])[-1])
    facts |= world.graded(made) or {member: registered[-1].data[member] for member in ("level", "personal")}
    if not facts.get("industry"):
        facts["industry"] = world.party(facts["owner"], one.time).get("industry")
    return facts


def lost(world: World, one: One, before: Json, after: Json | None) -> Iterable[str]:
    """The ids of entries that match the facts before and not those after, in force or published and yet to come."""
    packs = [(world.pack(one.time), one.time)]
    for each in world.events:
        if each.type == "rulepack.published" and each.data["pack"] == world.default["pack"] and world.stands(each):
            since = moment(each.data["valid_from"])
            if each.time <= one.time < since:
                packs.append((each.data, since))
    for pack, since in packs:
        for entry in pack.get("negative_list", []):
            if "valid_to" in entry and moment(entry["valid_to"]) <= max(since, moment(entry["valid_from"])):
                continue
            was, now = (
                None if facts is None else fits(world, entry, one.subject, facts, None, set(), one.time)
                for facts in (before, after)
            )
            if was is True and now is not True:
                yield entry["id"]


RULES = (negative_list, relabelled)
