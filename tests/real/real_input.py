"""Real files as events: what is read from the folder of real data, and what a replay makes of it."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import yaml

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Json, asset, entry, event, granted, listed, party
from circulation.openlineage.names import dataset_id
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, Tally, offline
from streams.store import schema
from streams.store.store import Store
from tests.model import lineage


class Played(NamedTuple):
    """What a replay left behind: how it ended, its store, and the rejections as it wrote them."""

    tally: Tally
    store: Store
    rejected: list[Json]

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.store.reading() as db:
            return db.rows(query, *values)

    def standing(self) -> list[Json]:
        return standing(self.store)


def standing(store: Store) -> list[Json]:
    """The standing findings, in the order of their ids."""
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows("select data from findings where standing order by finding")]


def derivations(store: Store) -> set[tuple[str, str, int]]:
    """(output, input, since when) of every edge that the store has, each with its earliest time."""
    with store.reading() as db:
        return set(db.rows(f"select output, input, min(time) from {schema.STEPS} d group by output, input"))


def played(lines: Iterable[bytes], *, pack: Json | None = None) -> Played:
    """A replay of these lines, under the shipped pack where none is given."""
    store = Store("sqlite://")
    rejected: list[Json] = []
    engine = offline(store, None if pack is None else parse_pack(pack, published=False))
    replay = Replay(engine, Admission(), rejected=lambda line: rejected.append(orjson.loads(line)))
    return Played(replay.run(lines), store, rejected)


def wire(events: Iterable[Json]) -> list[bytes]:
    return [orjson.dumps(one) for one in events]


# OpenLineage.


def files_of_runs(folder: Path) -> list[Path]:
    """The files of events; the schema beside them is none."""
    return sorted(one for one in (folder / "openlineage").glob("*.json") if one.name != "OpenLineage.json")


def runs_of(file: Path) -> list[Json]:
    """The run events of a file, as they are."""
    document = json.loads(file.read_text(encoding="utf-8"))
    return document if isinstance(document, list) else [document]


def runs_apart(file: Path) -> list[Json]:
    """The run events of a file, with ids of runs again.

    Where the files were taken from, every id of a run had been replaced by one and the same placeholder. Each job
    ran once in its file, so file and job tell the runs apart as the lost ids did.
    """
    found = []
    for one in runs_of(file):
        run = one["run"]["runId"]
        if run.startswith("{{"):
            run = hashlib.blake2b(f"{file.name} {one['job']['name']}".encode(), digest_size=16).hexdigest()
        found.append(one | {"run": one["run"] | {"runId": run}})
    return found


def dataset(named: Json) -> str:
    return dataset_id(named["namespace"], named["name"])


def canonically(value: Any) -> Any:
    """The same JSON with datasets by their ids' parts, as the slow model takes them."""
    if isinstance(value, dict):
        if {"namespace", "name"} <= value.keys() and "/" in (name := dataset(value)):
            namespace, _, rest = name.rpartition("/")
            value = value | {"namespace": namespace, "name": rest}
        return {name: canonically(member) for name, member in value.items()}
    return [canonically(one) for one in value] if isinstance(value, list) else value


def edges(events: Iterable[Json]) -> set[tuple[str, str, int]]:
    """The edges that a store must have of these run events, each with its earliest time."""
    found = lineage.derivations(canonically(list(events)))
    return {(*edge, parse_instant(time.isoformat())) for edge, time in found.items()}


# The catalogue.

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"

# Tags of the catalogue that say that the data is about people's health: sensitive by article 28 of the PIPL.
HEALTH = frozenset({"health", "cancer", "radiology", "medical imaging", "medicine", "electrophysiology"})
# Publishers that are authorities: what they publish is public data.
AUTHORITIES = (
    "NASA",
    "NOAA",
    "United States Census Bureau",
    "Environmental Protection Agency",
    "National Archives",
    "National Library of Medicine",
    "Washington DC government",
)
UPDATE_DAYS = {"Daily": 1, "Weekly": 7, "Monthly": 30, "Annual": 365, "Annually": 365, "yearly": 365}

CATALOGUED = "2026-07-10T09:00"
LISTED = "2026-07-10T10:00"
GRADED = "2026-07-10T11:00"
LISTED_AGAIN = "2026-07-10T12:00"


class Product(NamedTuple):
    """One entry of the catalogue, in the words of the contract; `document` is the entry as it is."""

    id: str
    owner: str
    personal: str
    public: bool
    document: Json

    def registered(self) -> Json:
        document = self.document
        return event(
            "asset.registered",
            self.id,
            CATALOGUED,
            title=document["Name"],
            owner=self.owner,
            rights=["holding", "processing", "operating"],
            certificate=f"registry-{self.id}",
            category="open-data",
            level="ungraded",
            personal=self.personal,
            tags=[str(one) for one in document["Tags"]],
            public=self.public,
            zone=document["Resources"][0].get("Region"),
            update_days=UPDATE_DAYS.get(str(document["UpdateFrequency"]).strip()),
            # What the contract does not know is not an error.
            licence=str(document["License"]),
            description=document["Description"],
            resources=document["Resources"],
        )

    def listed(self, time: str) -> Json:
        return listed(self.id, time, seller=self.owner, product=f"{self.id} of {time}", delivery=["api"])


def credit_code(first17: str) -> str:
    """A unified social credit code from its first 17 characters (GB 32100-2015, 5.6)."""
    total = sum(ALPHABET.index(one) * 3**place for place, one in enumerate(first17))
    return first17 + ALPHABET[(31 - total % 31) % 31]


def catalogue(folder: Path) -> list[Product]:
    """The entries of the catalogue; each publisher bears a credit code of its own, made up from its place."""
    documents = {
        file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in sorted((folder / "catalogue").glob("*.yaml"))
    }
    publishers = sorted({str(one["ManagedBy"]) for one in documents.values()})
    codes = {name: credit_code(f"91110108MA{place:07d}") for place, name in enumerate(publishers)}
    return [
        Product(
            id=id_,
            owner=codes[str(document["ManagedBy"])],
            personal="sensitive" if HEALTH & set(document["Tags"]) else "none",
            public=any(name in str(document["ManagedBy"]) for name in AUTHORITIES),
            document=document,
        )
        for id_, document in documents.items()
    ]


def catalogue_story(products: Sequence[Product]) -> list[Json]:
    """Registered and listed as the catalogue has it; then graded, granted what was lacking, and listed again."""
    owners = {one.owner: str(one.document["ManagedBy"]) for one in products}
    said = [party(code, CATALOGUED, name=name, roles=["holder", "operator"]) for code, name in owners.items()]
    said += [one.registered() for one in products]
    said += [one.listed(LISTED) for one in products]
    for one in products:
        grade = {"level": "general", "personal": one.personal, "reason": "classified", "approved_by": "the exchange"}
        said.append(event("asset.graded", one.id, GRADED, **grade))
    for code in owners:
        said += [granted(code, GRADED, kind) for kind in ("consent", "public-operation")]
    return said + [one.listed(LISTED_AGAIN) for one in products]


# The negative list of a market.


class Change(NamedTuple):
    """One line of the history: `kind` is asset or account, `change` added, removed or reworded."""

    time: str
    kind: str
    change: str
    id: str
    reason: str


def history(folder: Path) -> list[Change]:
    text = (folder / "purgatory" / "history.jsonl").read_text(encoding="utf-8")
    return [Change(**json.loads(line)) for line in text.splitlines()]


def account(id_: str) -> str:
    """An account as a party: Ethereum's scheme is eip155. Ids are opaque, so that also 0x000 is one."""
    return f"eip155:{id_}"


def last_state(changes: Iterable[Change]) -> list[Change]:
    """What is on the list after all changes, with the time from which it is, in the order of the list."""
    listed_: dict[tuple[str, str], Change] = {}
    for one in changes:
        key = (one.kind, one.id)
        if one.change == "removed":
            listed_.pop(key, None)
        elif one.change == "reworded":
            listed_[key] = listed_[key]._replace(reason=one.reason)
        else:
            listed_[key] = one
    return list(listed_.values())


def match(one: Change) -> Json:
    return {"assets": [one.id]} if one.kind == "asset" else {"parties": [account(one.id)]}


def entry_of(one: Change, **members: Any) -> Json:
    """An entry for one line of the list."""
    said = {"title": one.reason, "match": match(one), "legal_basis": "list-purgatory", "valid_from": one.time}
    return entry(f"{one.kind}/{one.id}", **(said | members))


CLEAN = account("0x" + "c1ea" * 10)
PURGATORY_REGISTERED = "2020-11-01"


class Stall(NamedTuple):
    """An offer on the market: of what, whose it is, and who makes it."""

    asset: str
    owner: str
    seller: str

    @property
    def listing(self) -> str:
        """The id of the listing's event."""
        return f"{self.seller} offers {self.asset}"

    def registered(self) -> Json:
        # Fields of its own: what is registered twice is another rule's, and here it would be most of the work.
        return asset(self.asset, PURGATORY_REGISTERED, owner=self.owner, fields=[self.asset])

    def listed(self, time: str) -> Json:
        return listed(self.asset, time, seller=self.seller, id=self.listing)


def stalls(changes: Sequence[Change]) -> list[Stall]:
    """Offers of everything and by everybody that was ever on the list, and of others and by others."""
    assets = list(dict.fromkeys(one.id for one in changes if one.kind == "asset"))
    accounts = list(dict.fromkeys(account(one.id) for one in changes if one.kind == "account"))
    found = [Stall(one, CLEAN, CLEAN) for one in assets]
    found += [Stall(f"did:op:sold-{place}", CLEAN, one) for place, one in enumerate(accounts)]
    found += [Stall(f"did:op:owned-{place}", one, CLEAN) for place, one in enumerate(accounts)]
    found += [Stall(f"did:op:other-{place}", CLEAN, account(f"0x{place:040x}")) for place in range(100)]
    return found + [Stall(one, CLEAN, accounts[-1 - place]) for place, one in enumerate(assets[-20:])]


# The envelope.

# What the contract asks of an event beyond CloudEvents; the samples' own attributes come before it.
ASKED = {"subject": "contract-1", "time": "2026-01-01T00:00:00Z"}


def conformance_samples(folder: Path) -> list[tuple[Json, str]]:
    """Each conformance sample's attributes as text, extensions among them, and its data."""
    found = []
    for file in sorted((folder / "cloudevents").glob("*.yaml")):
        # Nothing but texts: 1.0 is no number here, and a time no date.
        for one in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader):
            attributes = dict(one["ContextAttributes"])
            extensions = attributes.pop("Extensions", {})
            found.append((attributes | extensions, one["Data"]))
    return found
