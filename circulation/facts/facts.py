"""The facts that rules ask for, and the needs that they have to declare for it."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, ClassVar, Final, Literal, NamedTuple, NoReturn, TypeVar

from circulation.daily import UsedAbroad, UsedDay
from circulation.facts.assets import AssetFacts
from circulation.facts.contracts import ContractFacts
from circulation.facts.grades import Grade
from circulation.facts.parties import CONTROLLERS_MAX, PartyFacts, chain, heads, heads_between, topmost
from circulation.findings import Cause
from circulation.lineage import CHANGE_MARK, Ancestry, Edge, Inputs, ancestry, is_run
from circulation.openlineage.runs import Unfinished, unfinished_at
from circulation.packs.entry import Subject
from circulation.packs.in_force import Packs
from circulation.packs.pack import Pack
from circulation.rings import NOTHING_PAID, Payments
from circulation.sides import Settled

# What the engine loads for a rule that declares it: see `GIVEN_BY` for what that lets the rule ask for.
Need = Literal[
    "asset",
    "ancestors",
    "runs",
    "inputs",
    "made",
    "contract",
    "party",
    "controllers",
    "group",
    "payments",
    "undeclared",
    "uses",
    "served",
    "abroad",
    "days",
    "heard",
    "settled",
]
# These are there only while a sum is judged: not for checks, screens, or the search for the scopes of an act.
OF_SUMS: Final[frozenset[Need]] = frozenset({"inputs", "uses", "served", "abroad", "days", "heard", "settled"})

Settings = Callable[[Mapping[str, Any]], dict[str, Any]]
# Rules with their needs, and packs with a rule's parameters by each, that are remembered at most.
BOUND_KEPT_MAX: Final = 4_096
PARAMETERS_KEPT_MAX: Final = 64


class Heard(NamedTuple):
    """When a source that owes events was heard last (µs), and within how many seconds the next event is due."""

    newest: int
    seconds: int


class Undeclared(Exception):
    """A rule asked its facts for something without having declared the need for it."""

    def __init__(self, rule: str, asked: str, need: Need) -> None:
        only = "only a sum has, and only while it is judged" if need in OF_SUMS else "is not declared"
        super().__init__(f"{rule}: facts.{asked} takes the need `{need}`, which {only}")
        self.rule = rule
        self.asked = asked
        self.need = need


class Loaded:
    """All facts that the engine loaded for one judgement, for all of its rules; `bound` makes one rule's `Facts`.

    `undeclared` are deliveries: (contract, source, id). `inputs`, `uses`, `served`, `abroad`, `days`, `heard` and
    `settled` are None where no sum is judged.
    """

    def __init__(
        self,
        *,
        packs: Packs,
        assets: Mapping[str, AssetFacts] | None = None,
        parties: Mapping[str, PartyFacts] | None = None,
        contracts: Mapping[str, ContractFacts] | None = None,
        edges: Mapping[str, Sequence[Edge]] | None = None,
        payments: Payments = NOTHING_PAID,
        undeclared: Collection[tuple[str, str, str]] = (),
        inputs: Mapping[str, Inputs] | None = None,
        uses: Mapping[str, int] | None = None,
        served: Mapping[str, int] | None = None,
        abroad: Mapping[str, Sequence[UsedAbroad]] | None = None,
        days: Mapping[str, Sequence[UsedDay]] | None = None,
        heard: Mapping[str, Heard] | None = None,
        settled: Mapping[str, Mapping[int, Settled]] | None = None,
        unfinished: Mapping[str, Sequence[Unfinished]] | None = None,
        derived_by_runs: Mapping[str, Sequence[int]] | None = None,
        made: Mapping[str, Sequence[Edge]] | None = None,
    ) -> None:
        self.packs = packs
        self.assets = assets or {}
        self.parties = parties or {}
        self.contracts = contracts or {}
        self.edges = edges or {}
        self.payments = payments
        self.undeclared = undeclared
        self.inputs = inputs or {}
        self.uses = uses or {}
        self.served = served or {}
        self.abroad = abroad or {}
        self.days = days or {}
        self.heard = heard or {}
        self.settled = settled or {}
        self.unfinished = unfinished or {}
        self.derived_by_runs = derived_by_runs or {}
        self.made = made or {}
        # Few parties have records, and rules ask for them at every trade.
        self.recorded = sorted(one for one, facts in self.parties.items() if facts.recorded)
        of_sums: tuple[tuple[Need, object], ...] = (
            ("inputs", inputs),
            ("uses", uses),
            ("served", served),
            ("abroad", abroad),
            ("days", days),
            ("heard", heard),
            ("settled", settled),
        )
        # The needs that only sums have, where none is judged.
        self.absent = frozenset([need for need, given in of_sums if given is None])

    def bound(self, rule: str, needs: frozenset[Need], settings: Settings) -> "Facts":
        """The facts of one rule with these needs. `settings` makes its parameters of what a pack gives."""
        return facts_of(rule, needs, self.absent, settings)(self)

    def with_sums(
        self,
        *,
        uses: Mapping[str, int],
        served: Mapping[str, int],
        abroad: Mapping[str, Sequence[UsedAbroad]],
        days: Mapping[str, Sequence[UsedDay]],
        heard: Mapping[str, Heard],
        settled: Mapping[str, Mapping[int, Settled]],
    ) -> "Loaded":
        """The same facts with what only sums have; none of these look at inputs."""
        loaded = Loaded.__new__(Loaded)
        loaded.__dict__.update(self.__dict__)
        loaded.inputs = {}
        loaded.uses, loaded.served, loaded.abroad = uses, served, abroad
        loaded.days, loaded.heard, loaded.settled = days, heard, settled
        loaded.absent = frozenset()
        return loaded

    def assets_of(self, assets: Iterable[str]) -> dict[str, AssetFacts]:
        """Facts of those of the assets that were loaded, for whichever rule."""
        return {one: self.assets[one] for one in assets if one in self.assets}

    def parties_of(self, parties: Iterable[str]) -> dict[str, PartyFacts]:
        """Facts of those of the parties that were loaded, for whichever rule."""
        return {one: self.parties[one] for one in parties if one in self.parties}


# By method of `Facts` the needs of which a rule has to declare one, the smallest first.
GIVEN_BY: Final[dict[str, tuple[Need, ...]]] = {}
_Accessor = TypeVar("_Accessor", bound=Callable[..., Any])


def _given_by(*needs: Need) -> Callable[[_Accessor], _Accessor]:
    """Note that a method of `Facts` takes one of these needs. The method itself stays as it is."""

    def noted(accessor: _Accessor) -> _Accessor:
        GIVEN_BY[accessor.__name__] = needs
        return accessor

    return noted


class Facts:
    """The facts that one rule may ask for. Asking for what it did not declare in its `needs` raises `Undeclared`,
    whatever the other rules of the round declared. Packs and the rule's own parameters take no need.

    Ask for ids that the acts name, or that facts of these lead to. Another id may be known by chance, for another act
    of the round; elsewhere it raises `KeyError`, or has no derivations, payments or uses.
    """

    __slots__ = ("_loaded", "packs")

    # The rule, and its parameters by the digest of a pack: the same for whatever was loaded.
    _rule: ClassVar[str]
    _settings: "ClassVar[staticmethod[[Mapping[str, Any]], dict[str, Any]]]"
    _parameters: ClassVar[dict[str, dict[str, Any]]]

    def __init__(self, loaded: Loaded) -> None:
        self.packs = loaded.packs
        self._loaded = loaded

    def pack(self, instant: int) -> Pack:
        """The pack in force."""
        return self.packs.in_force(instant)

    def parameters(self, instant: int) -> dict[str, Any]:
        """The rule's parameters in force at the instant."""
        pack = self.packs.in_force(instant)
        kept = self._parameters
        found = kept.get(pack.digest)
        if found is None:
            if len(kept) >= PARAMETERS_KEPT_MAX:
                kept.clear()
            found = kept[pack.digest] = self._settings(pack.setting(self._rule).parameters)
        return found

    @_given_by("asset")
    def asset(self, asset: str) -> AssetFacts:
        """Facts of an asset (also of one that is not registered)."""
        return self._loaded.assets[asset]

    @_given_by("party", "controllers", "group")
    def party(self, party: str) -> PartyFacts:
        """Facts of a party (also of one that is not registered)."""
        return self._loaded.parties[party]

    @_given_by("contract")
    def contract(self, contract: str) -> ContractFacts:
        """Facts of a contract (also of one that is not signed)."""
        return self._loaded.contracts[contract]

    @_given_by("uses")
    def first_use(self, contract: str) -> int | None:
        """The earliest `time` of a use of the contract, any reporter's: uses are counted, and not kept one by one."""
        return self._loaded.uses.get(contract)

    @_given_by("served")
    def first_served(self, contract: str) -> int | None:
        """The instant of the first report of more than 0 uses, by `time`, on the first day of which any are left."""
        return self._loaded.served.get(contract)

    @_given_by("abroad")
    def used_abroad(self, contract: str) -> Sequence[UsedAbroad]:
        """On which days the contract was used in which other countries, in the order of days."""
        return self._loaded.abroad.get(contract, ())

    @_given_by("days")
    def used(self, contract: str) -> Sequence[UsedDay]:
        """What was used on each day, by reporter, in the order of days."""
        return self._loaded.days[contract]

    @_given_by("heard")
    def heard(self, source: str) -> Heard | None:
        """When a source was heard last that owes events; None of one that owes none, or of which none came."""
        return self._loaded.heard.get(source)

    @_given_by("settled")
    def settled(self, contract: str) -> Mapping[int, Settled]:
        """What was settled of days: of the day that is judged and the last one before it; or of a whole month."""
        return self._loaded.settled.get(contract, {})

    @_given_by("payments")
    def payments(self) -> Payments:
        """What was paid to and by each party, as settled, and between ultimate controllers."""
        return self._loaded.payments

    @_given_by("undeclared")
    def undeclared(self, contract: str, cause: Cause) -> bool:
        """Whether it stands of a delivery under a contract that it went abroad and nobody declared it, in any mode."""
        return (contract, *cause) in self._loaded.undeclared

    @_given_by("controllers", "group")
    def chain(self, party: str, instant: int) -> list[str]:
        """The party, its controller, that one's, and so on, each once."""
        return chain(self._loaded.parties, party, instant)

    @_given_by("controllers", "group")
    def topmost(self, party: str, instant: int) -> str:
        """Who stands at the head of the party's group."""
        return topmost(self._loaded.parties, party, instant)

    @_given_by("controllers", "group")
    def heads(self, party: str) -> list[tuple[int, str]]:
        """Who ever stands at the head of the party's group, each with the instant since when, in the order of time."""
        return heads(self._loaded.parties, party)

    @_given_by("controllers", "group")
    def heads_between(self, party: str, since: int, until: int) -> set[str]:
        """All who stand at the head of the party's group at any instant from one to another, both included."""
        return heads_between(self._loaded.parties, party, since, until)

    @_given_by("controllers", "group")
    def ever_above(self, party: str) -> set[str]:
        """The party and all that ever controlled it, up the chain."""
        found, layer = {party}, {party}
        for _ in range(CONTROLLERS_MAX):
            layer = {above for one in layer for above in self._loaded.parties[one].controllers()} - found
            found |= layer
        return found

    @_given_by("group")
    def recorded(self, party: str, instant: int) -> list[str]:
        """Of the party and all that have the same topmost controller those of which there are records."""
        head = self.topmost(party, instant) if self._loaded.recorded else party
        return [one for one in self._loaded.recorded if one == party or self.topmost(one, instant) == head]

    @_given_by("inputs")
    def inputs(self, asset: str) -> Inputs:
        """The derivations of the asset itself, and when its inputs were stated.

        Of a sum that goes on where it stood what is later than its last act.
        """
        return self._loaded.inputs[asset]

    @_given_by("made")
    def made(self, asset: str) -> Sequence[Edge]:
        """The derivations of a registered asset by OpenLineage, in one step: of each input the earliest, in the order
        of the inputs. Another name of it is none. The facts of the inputs are there, too.
        """
        return self._loaded.made.get(asset, ())

    @_given_by("ancestors")
    def names(self, asset: str) -> list[Edge]:
        """The derivations of the asset that give another name of it."""
        found: list[Edge] = []
        for edge in self._loaded.edges.get(asset, ()):
            if edge.same:
                found += self._loaded.edges.get(edge.input, ()) if is_run(edge.input) else [edge]
        return found

    @_given_by("ancestors")
    def changes(self, assets: Iterable[str], instant: int) -> list[tuple[int, str, str]]:
        """What assets went through by an instant, as OpenLineage's lifecycle has it: (first time, asset, change)."""
        found: dict[tuple[str, str], int] = {}
        for asset in assets:
            for edge in self._loaded.edges.get(asset, ()):
                if edge.input.startswith(CHANGE_MARK) and edge.time <= instant:
                    key = (asset, edge.input.removeprefix(CHANGE_MARK))
                    found[key] = min(edge.time, found.get(key, edge.time))
        return sorted((time, *key) for key, time in found.items())

    @_given_by("runs")
    def unfinished(self, asset: str, instant: int) -> list[Unfinished]:
        """The OpenLineage runs that named the asset, and left it unfinished, as of an instant."""
        return unfinished_at(
            self._loaded.unfinished.get(asset, ()), self._loaded.derived_by_runs.get(asset, ()), instant
        )

    @_given_by("asset")
    def subject(self, asset: str, instant: int) -> Subject:
        """An asset as negative lists see it; its industry is its own, else its owner's."""
        facts = self._loaded.assets[asset]
        data = facts.registration(instant)
        owner = None if data is None or data.owner is None else self._loaded.parties[data.owner].at(instant)
        return facts.subject(instant, None if owner is None else owner.industry)

    @_given_by("asset")
    def described(self, asset: str, data: Any, grade: Grade, instant: int) -> Subject:
        """An asset as negative lists would see it by a registration and a grade, at an instant."""
        owner = None if data.owner is None else self._loaded.parties[data.owner].at(instant)
        return self._loaded.assets[asset].described(data, grade, None if owner is None else owner.industry)

    @_given_by("ancestors")
    def ancestry(self, asset: str, instant: int, *, through_stops: bool) -> Ancestry:
        """The asset and all that it is derived from, with distances, over derivations made by then."""
        return ancestry(self._loaded.edges, asset, instant, through_stops)


@lru_cache(maxsize=BOUND_KEPT_MAX)
def facts_of(rule: str, needs: frozenset[Need], absent: frozenset[Need], settings: Settings) -> type[Facts]:
    """The class of facts of one rule with these needs, where some are `absent`: a rule is asked at every act, so that
    only what was loaded is given to what is made then."""
    of_rule = {"_rule": rule, "_settings": staticmethod(settings), "_parameters": {}, "__slots__": ()}
    return type(Facts.__name__, (_facts_with(needs - absent),), of_rule)


@cache
def _facts_with(needs: frozenset[Need]) -> type[Facts]:
    """The class of facts for these needs: its methods raise where the need is missing, and are inherited elsewhere.

    A class for each set of needs is made once, so that a declared method has nothing to check when it is called.
    """

    class Declared(Facts):
        __slots__ = ()

    for accessor, givers in GIVEN_BY.items():
        if needs.isdisjoint(givers):
            setattr(Declared, accessor, _refusal(accessor, givers[0]))
    return Declared


def _refusal(accessor: str, need: Need) -> Callable[..., NoReturn]:
    def refuse(facts: Facts, *given: Any, **_: Any) -> NoReturn:
        raise Undeclared(facts._rule, f"{accessor}({', '.join(map(repr, given))})", need)

    return refuse
