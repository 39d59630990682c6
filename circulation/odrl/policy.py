"""Maps an ODRL 2.2 Agreement onto the terms of a contract (contract §3): `policy` is the other form of `terms`.

An agreement that is taken in means what its terms mean, no more and no less: what has no counterpart is refused and
never skipped, for a constraint that nobody watches would look like one that is kept. There is one judge of terms, so
the mapping happens once, at admission, and what is kept is the terms.

Source: W3C, ODRL Information Model 2.2 and ODRL Vocabulary & Expression 2.2.

The mapping:

| constraint | terms |
| --- | --- |
| `count` `lteq` or `lt` n | `uses_max` |
| `dateTime` `gteq` or `gt` t, `lt` or `lteq` t | `valid_from` (without it the day of signature, `signed`), `valid_to` |
| `elapsedTime` `eq`, `lt` or `lteq` an ISO 8601 duration | `valid_to`, counted from `valid_from` |
| `purpose` `eq` or `isAnyOf` | `purposes` |
| `spatial` `eq` or `isAnyOf` | `countries` (two letters) or `regions` (six digits) |
| `recipient`, `deliveryChannel`, `systemDevice` | `recipients`, `delivery`, `environments` |
| the actions `use` and `read`; nothing but `delete` and `print` | any use; no use (`uses_max` 0) |

Several constraints on one limit, or `and` of several: all of them hold, so the tightest is the term. A country may be
an IRI of the EU's authority table or of GeoNames. The fate of each term is in `circulation/odrl/vocabulary.py`.
"""

import difflib
from typing import Any, Final

from circulation.calendar import shown
from circulation.identifiers import Problems
from circulation.near import did_you_mean
from circulation.odrl.constraints import read_constraint, refuse_others, types_of
from circulation.odrl.json_ld import MEMBER, OF_A_NODE, RDF, Members, Node, Reader, brief, party_of
from circulation.odrl.limits import Json, Limits
from circulation.odrl.vocabulary import TERMS, why_refused

POLICY_TAKEN: Final = frozenset({"@context", "@id", "@type", "permission", "assigner", "assignee", "target", "action"})
PERMISSION_TAKEN: Final = frozenset({"@id", "@type", "assigner", "assignee", "target", "action", "constraint"})

# Parties and targets of a policy, and the member of the contract that names the same.
NAMED: Final = {"assigner": "seller", "assignee": "buyer", "target": "asset"}

# Actions that allow any use, and those that are none of what a contract counts as a use.
ANY_USE: Final = frozenset({"use", "read"})
NO_USE: Final = frozenset({"delete", "print"})
ACTION_TAKEN: Final = frozenset({"@id", "@type", f"{RDF}value"})
# Members of a policy: a name that is as like as this to one of these is a slip of the pen.
LIKENESS_MIN: Final = 0.75
OF_A_POLICY: Final = tuple(
    name for name, term in TERMS.items() if term.place in ("rule", "member") and name[0].islower()
)


def terms_of(contract: Json, problems: Problems) -> Json | None:
    """The terms that a contract's `policy` states, as JSON; None where it does not map, and `problems` say why.

    Args:
        contract: the data of a signed or an amended contract, not yet checked, with a `policy`.
        found: takes what is wrong, with the path into the record.
    """
    reader = Reader(contract["policy"], problems)
    node = reader.document()
    policy = reader.members(node)
    if policy is None:
        return None
    limits = Limits(problems)
    _read_policy(reader, node.path, policy, contract, limits)
    return limits.terms(contract.get("signed"))


def _read_policy(reader: Reader, path: str, policy: Members, contract: Json, limits: Limits) -> None:
    stated_types = types_of(reader, policy)
    if "Agreement" not in stated_types or stated_types - {"Agreement", "Policy"}:
        reader.fault(path, "Expected an ODRL Agreement by its `@type`")
    _refuse_others(reader, policy)
    permissions = policy.get("permission", [])
    if not permissions:
        reader.fault(path, "Expected a permission")
    for node in permissions[1:]:
        reader.fault(node.path, "a second permission does not map onto terms")
    actions = _read_named(reader, policy, contract)
    for node in permissions[:1]:
        permission = reader.members(node)
        if permission is None:
            continue
        if types_of(reader, permission) - {"Permission", "Rule"}:
            reader.fault(node.path, "Expected a permission")
        refuse_others(reader, permission, PERMISSION_TAKEN)
        actions += _read_named(reader, permission, contract)
        if not actions:
            reader.fault(node.path, "Expected an `action`")
        for constraint in permission.get("constraint", ()):
            read_constraint(reader, constraint, limits)
    if actions and NO_USE.issuperset(actions):
        limits.at_most("uses_max", 0)


def _refuse_others(reader: Reader, policy: Members) -> None:
    """Refuse members of a policy besides its permission: terms of ODRL, and slips of them.

    A name of no vocabulary says nothing where it is like none of ODRL's, and all that names mean stands in place.
    """
    _refuse_keywords(reader, policy, POLICY_TAKEN)
    for name, nodes in policy.items():
        if name.startswith("@"):
            continue
        term = TERMS.get(name)
        if name in POLICY_TAKEN or (term is not None and (term.place, term.fate) == ("member", "nothing")):
            continue
        meant = [] if term is not None or ":" in name else difflib.get_close_matches(name, OF_A_POLICY, 1, LIKENESS_MIN)
        if term is not None or meant or reader.unsaid(name) or (":" not in name and not reader.whole):
            rule = f"`{brief(name)}` does not map onto terms{why_refused(name)}{did_you_mean(meant)}"
            reader.fault(nodes[0].path, rule)


def _refuse_keywords(reader: Reader, members: Members, mapped: frozenset[str]) -> None:
    """Keywords of JSON-LD under which more is said of a node, or of others (`@nest`, `@included`, `@reverse`)."""
    for name, nodes in members.items():
        if name.startswith("@") and name not in mapped | OF_A_NODE:
            reader.fault(nodes[0].path, f"`{brief(name)}` does not map onto terms: it has to be said in place")


def _read_named(reader: Reader, members: Members, contract: Json) -> list[str]:
    """Read whom and what a policy or its permission names; return the actions that map."""
    for role, member in NAMED.items():
        for node in members.get(role, ()):
            _check_named(reader, node, role, member, contract.get(member))
        for node in members.get(role, [])[1:]:
            reader.fault(node.path, f"a second {role} makes a second permission")
    return [_read_action(reader, node) for node in members.get("action", ())]


def _check_named(reader: Reader, node: Node, role: str, member: str, agreed: Any) -> None:
    """Two names of one scheme must be equal.

    ODRL names parties and assets by IRIs, the contract by credit codes and ids: across schemes nobody can say who is
    who, and the contract's own members count.
    """
    value = node.value
    if isinstance(value, dict):
        object_ = reader.members(node) or {}
        _refuse_keywords(reader, object_, frozenset())
        if "refinement" in object_:
            reader.fault(object_["refinement"][0].path, f"a refinement of the {role} does not map")
        for name, nodes in object_.items():
            if name != "refinement" and name in TERMS and TERMS[name].fate != "nothing":
                reader.fault(nodes[0].path, f"`{name}` of the {role} does not map onto terms{why_refused(name)}")
        if "@id" not in object_:
            return
        for second in object_["@id"][1:]:
            reader.fault(second.path, f"a second name of the {role}")
        node = object_["@id"][0]
        value = reader.iri(node.value) if isinstance(node.value, str) else node.value
    if not isinstance(value, str):
        reader.fault(node.path, "Expected an IRI")
        return
    party = party_of(value)
    if isinstance(agreed, str) and _scheme(party) == _scheme(agreed) and party != agreed:
        reader.fault(node.path, f"the {role} must be the contract's {member}, {shown(agreed)}, got {shown(party)}")


def _scheme(text: str) -> str:
    scheme, colon, _ = text.partition(":")
    return scheme if colon else ""


def _read_action(reader: Reader, node: Node) -> str:
    """The name of an action; said is where it does not map."""
    if isinstance(node.value, dict):
        members = reader.members(node) or {}
        if "refinement" in members:
            reader.fault(members["refinement"][0].path, "a refinement of the action does not map")
            return ""
        refuse_others(reader, members, ACTION_TAKEN)
        values = members.get(f"{RDF}value", [])
        if len(values) > 1:
            reader.fault(values[1].path, "a second action makes a second permission")
        node = next(iter(values), node)
    name = reader.term(node) or ""
    if ":" in name or not MEMBER.fullmatch(name):
        reader.fault(node.path, f"only actions of ODRL map onto terms, got {shown(name)}")
    elif name not in ANY_USE | NO_USE:
        reader.fault(node.path, f"the action {shown(name)} does not map onto terms{why_refused(name)}")
    return name
