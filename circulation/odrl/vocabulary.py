"""The fate of each term of the ODRL 2.2 vocabulary: it is mapped onto terms, says nothing, or is refused.

The mapping itself is in `policy` and `constraints`; `docs/odrl.md` is made of this, and a test holds each term to it.

Source: W3C, ODRL Vocabulary & Expression 2.2, core and common vocabulary, deprecated terms included.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Place = Literal[
    "policy", "rule", "member", "party or asset", "constraint", "left operand", "operator", "action", "value"
]
Fate = Literal["mapped", "nothing", "refused"]


class Term(NamedTuple):
    """Where a term stands, what becomes of it, and onto what it is mapped, or why it is not."""

    place: Place
    fate: Fate
    why: str


_GROUPS: Final[tuple[tuple[Place, Fate, str, str], ...]] = (
    ("policy", "mapped", "terms: the one kind of policy that both sides agreed to", "Agreement"),
    ("policy", "nothing", "what every policy is, beside Agreement", "Policy"),
    ("policy", "refused", "not agreed by both sides", "Assertion Offer Privacy Request Set Ticket"),
    ("rule", "mapped", "terms: what it allows, within its constraints", "Permission permission"),
    ("rule", "nothing", "what every permission is", "Rule"),
    ("rule", "refused", "terms say what is allowed, and no exception from it", "Prohibition prohibition remedy"),
    (
        "rule",
        "refused",
        "terms have obligations of their own (`delete_within_days`, `report_within_days`, `pay_within_days`)",
        "Duty duty obligation consequence",
    ),
    ("member", "mapped", "held against the contract's seller, where both use one scheme of names", "assigner"),
    ("member", "mapped", "held against the contract's buyer, where both use one scheme of names", "assignee"),
    ("member", "mapped", "held against the contract's asset, where both use one scheme of names", "target"),
    ("member", "mapped", "what is allowed: see the actions", "action"),
    ("member", "mapped", "the terms' limits: see the left operands", "constraint"),
    ("member", "mapped", "the name of what it stands in, `@id`", "uid"),
    ("member", "nothing", "what a profile adds is refused where it is used", "profile"),
    ("member", "nothing", "there is one permission, and nothing that it could conflict with", "conflict"),
    ("member", "nothing", "a contract's policy is inherited by none", "inheritAllowed"),
    ("member", "nothing", "no action beyond those that are mapped is taken", "undefined"),
    ("member", "refused", "what it inherits is not in the contract", "inheritFrom inheritRelation"),
    ("member", "refused", "terms limit uses of the whole asset by anybody of the buyer", "refinement"),
    (
        "member",
        "refused",
        "a contract has a seller, a buyer and recipients, and no other roles",
        "function attributedParty attributingParty compensatedParty compensatingParty consentedParty consentingParty"
        " contractedParty contractingParty informedParty informingParty payeeParty trackedParty trackingParty scope",
    ),
    ("member", "refused", "terms are about one asset, and what is made of it is another", "relation output"),
    ("member", "refused", "an abstract relation between rules", "failure"),
    ("member", "refused", "it is said of actions, parties or assets by whoever defines them", "implies includedIn"),
    ("member", "refused", "it leads from parties and assets to policies", "assigneeOf assignerOf hasPolicy"),
    ("party or asset", "nothing", "what the named party is", "Party PartyCollection"),
    ("party or asset", "nothing", "what the named asset is", "Asset AssetCollection"),
    ("party or asset", "nothing", "where a collection is described", "source partOf"),
    ("constraint", "mapped", "a limit: see the left operands", "Constraint"),
    ("constraint", "mapped", "what is limited", "leftOperand"),
    ("constraint", "mapped", "how it is limited: see the operators", "operator"),
    ("constraint", "mapped", "to what it is limited", "rightOperand"),
    ("constraint", "mapped", "held against the type that the left operand takes", "dataType"),
    ("constraint", "mapped", "all the constraints in it, each of which has to map", "and LogicalConstraint"),
    ("constraint", "refused", "terms hold all together, with no choice and no order", "or xone andSequence operand"),
    ("constraint", "refused", "the value has to stand in the policy", "rightOperandReference"),
    ("constraint", "refused", "terms count in uses and in time, and in no other unit", "unit"),
    ("constraint", "refused", "what was used so far is what was reported", "status"),
    ("left operand", "mapped", "`uses_max`", "count"),
    ("left operand", "mapped", "`valid_from`, `valid_to`, to the microsecond", "dateTime"),
    ("left operand", "mapped", "`valid_to`, counted from `valid_from`", "elapsedTime"),
    ("left operand", "mapped", "`purposes`", "purpose"),
    (
        "left operand",
        "mapped",
        "`countries` (two letters, or an IRI of a country) or `regions` (six digits)",
        "spatial",
    ),
    ("left operand", "mapped", "`recipients`", "recipient"),
    ("left operand", "mapped", "`delivery`", "deliveryChannel"),
    ("left operand", "mapped", "`environments`", "systemDevice"),
    (
        "left operand",
        "refused",
        "nothing that is reported of a use or a delivery says it",
        "absolutePosition absoluteSize absoluteSpatialPosition absoluteTemporalPosition event fileFormat industry"
        " language media percentage product relativePosition relativeSize relativeSpatialPosition"
        " relativeTemporalPosition resolution spatialCoordinates unitOfCount version virtualLocation proximity",
    ),
    ("left operand", "refused", "deprecated: say `systemDevice`", "device system"),
    (
        "left operand",
        "refused",
        "uses are counted, and not timed",
        "delayPeriod meteredTime timeInterval timedCount",
    ),
    ("left operand", "refused", "what is paid is the contract's `amount`", "payAmount"),
    (
        "operator",
        "mapped",
        "of `count` (its value), `dateTime` (to the end of that microsecond), `elapsedTime`",
        "lteq",
    ),
    ("operator", "mapped", "of `count` (one less than its value), `dateTime`, `elapsedTime`", "lt"),
    ("operator", "mapped", "of `dateTime`", "gteq"),
    ("operator", "mapped", "of `dateTime` (from the next microsecond on)", "gt"),
    ("operator", "mapped", "of `elapsedTime`, and of what is a list in terms", "eq"),
    ("operator", "mapped", "of what is a list in terms: one of its values", "isAnyOf"),
    ("operator", "refused", "terms name what is allowed, and not what is not", "neq isNoneOf"),
    ("operator", "refused", "a use has one purpose, place, recipient, channel and system", "isAllOf hasPart"),
    (
        "operator",
        "refused",
        "what belongs to what is said by `/` in purposes and by the digits of regions",
        "isA isPartOf",
    ),
    ("action", "mapped", "any use", "use read"),
    (
        "action",
        "mapped",
        "no use (`uses_max` 0) where nothing else is allowed: neither is a use of data",
        "delete print",
    ),
    (
        "action",
        "refused",
        "it passes the asset on: a contract states `terms` with `resale` for it",
        "sell transfer give lease lend distribute grantUse share license commercialize nextPolicy adHocShare",
    ),
    (
        "action",
        "refused",
        "it makes something new of the asset: a contract states `terms` with `derivation` for it",
        "derive modify transform translate aggregate annotate anonymize include digitize synchronize extract"
        " extractChar extractPage extractWord append appendTo write writeTo watermark export",
    ),
    (
        "action",
        "refused",
        "it is one kind of use alone, and terms allow every kind",
        "archive concurrentUse copy display execute index install move play present preview reproduce secondaryUse"
        " stream textToSpeech uninstall",
    ),
    (
        "action",
        "refused",
        "it is a duty, and no use",
        "acceptTracking attachPolicy attachSource attribute compensate ensureExclusivity inform obtainConsent pay"
        " reviewPolicy shareAlike",
    ),
    ("value", "nothing", "see `conflict`", "perm prohibit invalid"),
    ("value", "nothing", "see `undefined`", "ignore support"),
    ("value", "nothing", "see `profile`", "core"),
    ("value", "refused", "a value of a constraint is a number, a text, an instant or a place", "policyUsage"),
    (
        "value",
        "refused",
        "a value of `scope`",
        "All All2ndConnections AllConnections AllGroups Group Individual",
    ),
    (
        "value",
        "refused",
        "a class of the vocabulary itself, of which a policy has no instance of its own",
        "Action ConflictTerm LeftOperand Operator RightOperand UndefinedTerm AssetScope PartyScope",
    ),
)

TERMS: Final[Mapping[str, Term]] = {
    name: Term(place, fate, why) for place, fate, why, names in _GROUPS for name in names.split()
}


def why_refused(name: str) -> str:
    """`: ` and why a term of ODRL does not map, or nothing of what is none."""
    term = TERMS.get(name)
    return f": {term.why}" if term is not None and term.fate == "refused" else ""
