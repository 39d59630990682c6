"""Maps an ODRL 2.2 Agreement onto the terms of a contract (contract §3): `policy` is the other form of `terms`.

An agreement that is taken in means what its terms mean, no more and no less: what has no counterpart is refused and
never skipped, for a constraint that nobody watches would look like one that is kept. There is one judge of terms, so
the mapping happens once, at admission, and what is kept is the terms.

JSON-LD is read as it comes, nested, without an RDF library: the short names of the ODRL context, `odrl:` and prefixes
that `@context` states in place, full IRIs; single values or lists; plain strings, typed values and `{"@id"}`. Contexts
are never fetched. Source: W3C, ODRL Information Model 2.2 and ODRL Vocabulary & Expression 2.2.

What the two have in common:

| constraint | terms |
| --- | --- |
| `count` `lteq` n | `uses_max` |
| `dateTime` `gteq` t, `lt` t | `valid_from` (without it the day of signature, `signed`), `valid_to` |
| `elapsedTime` `eq`, `lt` or `lteq` an ISO 8601 duration | `valid_to`, counted from `valid_from` |
| `purpose` `eq` or `isAnyOf` | `purposes` |
| `spatial` `eq` or `isAnyOf` | `countries` (two letters) or `regions` (six digits) |
| `recipient`, `deliveryChannel`, `systemDevice` | `recipients`, `delivery`, `environments` |
| an action that passes the asset on; `derive` | `resale`; `derivation` |

Several constraints on one limit: all of them hold, so the tightest is the term.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, get_args

from circulation.calendar import (
    DAY,
    HOUR,
    LATEST,
    MINUTE,
    SECOND,
    add_months,
    day_of,
    format_instant,
    parse_instant,
    shown,
    start_of_day,
)
from circulation.identifiers import (
    COUNT_MAX,
    Found,
    check_country,
    check_id,
    check_party,
    check_region,
    check_text,
)
from circulation.terms import DeliveryMode

Json = dict[str, Any]

ODRL: Final = "http://www.w3.org/ns/odrl/2/"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

ROOT: Final = "$.data.policy"

PREFIXES: Final = {"odrl": ODRL, "xsd": XSD, "rdf": RDF}
# ODRL's context has names of its own for two keywords of JSON-LD.
KEYWORDS: Final = {"uid": "@id", "type": "@type"}

# What adds to the one permission, or limits it from outside: a policy may say anything else about itself.
POLICY_REFUSED: Final = ("prohibition", "obligation", "duty", "inheritFrom", "constraint", "refinement", "@graph")
PERMISSION_TAKEN: Final = frozenset({"@id", "@type", "assigner", "assignee", "target", "action", "constraint"})
CONSTRAINT_TAKEN: Final = frozenset({"@id", "@type", "leftOperand", "operator", "rightOperand", "dataType"})
LOGICAL: Final = frozenset({"and", "or", "xone", "andSequence", "operand"})

# Whom and what a policy names, and the member of the contract that says the same.
NAMED: Final = {"assigner": "seller", "assignee": "buyer", "target": "asset"}

# Actions that pass the asset on. All others of ODRL are kinds of use, and terms allow every kind.
RESALE: Final = frozenset({"sell", "transfer", "give", "lease", "lend", "distribute", "grantUse"})
DERIVATION: Final = frozenset({"derive"})

# The operators of each left operand, and the data types of XML Schema that its values may bear.
_ANY_OF: Final = ("eq", "isAnyOf")
OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "count": ("lteq",),
    "dateTime": ("gteq", "lt"),
    "elapsedTime": ("eq", "lt", "lteq"),
    "purpose": _ANY_OF,
    "spatial": _ANY_OF,
    "recipient": _ANY_OF,
    "deliveryChannel": _ANY_OF,
    "systemDevice": _ANY_OF,
}
INTEGERS: Final = ("integer", "nonNegativeInteger", "positiveInteger", "int", "long", "short", "byte")
TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "count": (*INTEGERS, "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte", "string"),
    "dateTime": ("dateTime", "dateTimeStamp", "date", "string"),
    "elapsedTime": ("duration", "dayTimeDuration", "yearMonthDuration", "string"),
}
TEXT_TYPES: Final = ("string", "normalizedString", "token", "language", "anyURI")

_COUNT: Final = re.compile(r"\+?[0-9]{1,19}")
_DURATION: Final = re.compile(
    r"P(?=.)(?:([0-9]{1,9})Y)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=.)(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9})(?:\.([0-9]{1,6})[0-9]{0,9})?S)?)?"
)
_MEMBER: Final = re.compile(r"@?[A-Za-z][A-Za-z0-9]{0,39}")
_DIGITS: Final = re.compile(r"[0-9]{6}")


def terms_of(contract: Json, found: Found) -> Json | None:
    """The terms that a contract's `policy` states, as JSON; None where it does not map, and `found` says why.

    Args:
        contract: the data of a signed or an amended contract, not yet checked, with a `policy`.
        found: takes what is wrong, with the path into the record.
    """
    reader = _Reader(contract["policy"], found)
    policy = reader.members(_Node(ROOT, contract["policy"]))
    if policy is None:
        return None
    limits = _Limits(found)
    _read_policy(reader, policy, contract, limits)
    return limits.terms(contract.get("signed"))


class _Node(NamedTuple):
    """A value, and where it stands in the record."""

    path: str
    value: Any


_Members = dict[str, list[_Node]]


class _Reader:
    """Reads the JSON-LD of one policy: expands names by its context, and takes single values for lists of one."""

    def __init__(self, policy: Any, found: Found) -> None:
        self._found = found
        self._context: dict[str, str] = {}
        contexts = policy.get("@context") if isinstance(policy, dict) else None
        for context in contexts if isinstance(contexts, list) else [contexts]:
            for name, meaning in context.items() if isinstance(context, dict) else ():
                iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
                if isinstance(iri, str) and not name.startswith("@"):
                    self._context[name] = self.name(iri, short=False)

    def fault(self, path: str, rule: str, *, identifies: bool = False) -> None:
        """What is wrong, and where."""
        self._found.add(path, rule, identifies=identifies)

    def iri(self, text: str) -> str:
        """An IRI without its prefix; what has no prefix that is known stays as it is."""
        prefix, colon, rest = text.partition(":")
        known = self._context.get(prefix) or PREFIXES.get(prefix)
        return text if not colon or rest.startswith("//") or known is None else known + rest

    def name(self, text: str, *, short: bool = True) -> str:
        """A name of a vocabulary: ODRL's in short (no other has none of `:` and `@`), any other as an IRI."""
        if text in self._context:
            iri = self._context[text]
        elif ":" in text or text.startswith("@"):
            iri = self.iri(text)
        else:
            iri = KEYWORDS.get(text, ODRL + text)
        return iri.removeprefix(ODRL) if short else iri

    def members(self, node: _Node) -> _Members | None:
        """An object's values by name; members that say nothing (null, an empty list) are not there."""
        if not isinstance(node.value, dict):
            self.fault(node.path, "Expected an object that says it all in place")
            return None
        members: _Members = {}
        for key, value in node.value.items():
            if values := list(_values(value, _step(node.path, key))):
                members.setdefault(self.name(key), []).extend(values)
        return members

    def literal(self, node: _Node) -> tuple[Any, str | None] | None:
        """A value and its data type, if it bears one: plain, typed, or an IRI."""
        value = node.value
        if not isinstance(value, dict):
            return value, None
        members = {KEYWORDS.get(name, name): member for name, member in value.items()}
        if isinstance(members.get("@id"), str):
            return self.iri(members["@id"]), None
        if "@value" in members:
            type_ = members.get("@type")
            return members["@value"], self.name(type_, short=False) if isinstance(type_, str) else None
        self.fault(node.path, "Expected a value, a typed value or an IRI")
        return None

    def term(self, node: _Node) -> str | None:
        """A name of a vocabulary that stands as a value."""
        literal = self.literal(node)
        if literal is None:
            return None
        if not isinstance(literal[0], str):
            self.fault(node.path, "Expected a name")
            return None
        return self.name(literal[0])


def _values(value: Any, path: str) -> Iterator[_Node]:
    """The values of a member: one, or those of a list, also of JSON-LD's `@list` and `@set`."""
    items = (
        [(f"{path}[{index}]", item) for index, item in enumerate(value)] if isinstance(value, list) else [(path, value)]
    )
    for at, item in items:
        wrapped = (item.get("@list") or item.get("@set")) if isinstance(item, dict) else None
        if isinstance(wrapped, list):
            yield from (_Node(f"{at}[{index}]", one) for index, one in enumerate(wrapped) if one is not None)
        elif item is not None:
            yield _Node(at, item)


def _step(path: str, key: str) -> str:
    return f"{path}.{key}" if _MEMBER.fullmatch(key) else f"{path}[{shown(key)}]"


class _Limits:
    """The terms as they add up."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._counts: dict[str, int] = {}
        self._lists: dict[str, list[str]] = {}
        self._flags: dict[str, bool] = {}
        self._from: int | None = None
        self._ends: list[tuple[str, int]] = []
        self._spans: list[tuple[str, tuple[int, int]]] = []

    def at_most(self, term: str, maximum: int) -> None:
        """A count; of several the smallest holds."""
        self._counts[term] = min(maximum, self._counts.get(term, maximum))

    def not_before(self, instant: int) -> None:
        """The beginning; of several the latest holds."""
        self._from = instant if self._from is None else max(instant, self._from)

    def before(self, path: str, instant: int) -> None:
        """The end; of several the earliest holds."""
        self._ends.append((path, instant))

    def within(self, path: str, span: tuple[int, int]) -> None:
        """The end as a span after the beginning, which may come later in the policy."""
        self._spans.append((path, span))

    def one_of(self, path: str, term: str, values: list[str]) -> None:
        """What is allowed of a kind."""
        if term in self._lists:
            self._found.add(path, f"`{term}` is limited by another constraint already: name what both allow in one")
        self._lists[term] = values

    def allow(self, term: str) -> None:
        """What no terms allow unless they say so."""
        self._flags[term] = True

    def terms(self, signed: Any) -> Json | None:
        """The terms; without a beginning of their own they hold from the day of signature."""
        try:
            began = parse_instant(signed) if self._from is None else self._from
        except (TypeError, ValueError, AttributeError):
            return None  # that `signed` is wrong is said where it stands
        terms: Json = self._counts | self._lists | self._flags | {"valid_from": format_instant(began)}
        for path, span in self._spans:
            end = _after(began, span)
            if end is None:
                self._found.add(path, "ends after the year 9999")
            else:
                self._ends.append((path, end))
        if self._ends:
            path, end = min(self._ends, key=lambda one: one[1])
            if end <= began:
                self._found.add(path, f"ends at {format_instant(end)}, but begins at {format_instant(began)}")
            terms["valid_to"] = format_instant(end)
        return terms


def _read_policy(reader: _Reader, policy: _Members, contract: Json, limits: _Limits) -> None:
    types = [reader.term(node) for node in policy.get("@type", ())]
    own = {type_ for type_ in types if type_ is not None and ":" not in type_}
    if "Agreement" not in own or own - {"Agreement", "Policy"}:
        reader.fault(ROOT, "Expected an ODRL Agreement by its `@type`")
    for name in POLICY_REFUSED:
        for node in policy.get(name, ()):
            reader.fault(node.path, f"`{name}` does not map onto terms")
    permissions = policy.get("permission", [])
    if not permissions:
        reader.fault(ROOT, "Expected a permission")
    for node in permissions[1:]:
        reader.fault(node.path, "a second permission does not map onto terms")
    _read_named(reader, policy, contract, limits)
    for node in permissions[:1]:
        permission = reader.members(node)
        if permission is None:
            continue
        _refuse_others(reader, permission, PERMISSION_TAKEN)
        _read_named(reader, permission, contract, limits)
        for constraint in permission.get("constraint", ()):
            _read_constraint(reader, constraint, limits)


def _refuse_others(reader: _Reader, members: _Members, taken: frozenset[str]) -> None:
    """Members of ODRL (or of no vocabulary: a slip of the pen) that do not map; those of others are description."""
    for name, nodes in members.items():
        if name not in taken and ":" not in name:
            reader.fault(nodes[0].path, f"`{_brief(name)}` does not map onto terms")


def _read_named(reader: _Reader, members: _Members, contract: Json, limits: _Limits) -> None:
    """Whom and what a policy or its permission names, and the actions."""
    for role, member in NAMED.items():
        for node in members.get(role, ()):
            _check_named(reader, node, role, member, contract.get(member))
        for node in members.get(role, [])[1:]:
            reader.fault(node.path, f"a second {role} makes a second permission")
    for node in members.get("action", ()):
        _read_action(reader, node, limits)


def _check_named(reader: _Reader, node: _Node, role: str, member: str, agreed: Any) -> None:
    """Two names of one scheme must be equal.

    ODRL names parties and assets by IRIs, the contract by credit codes and ids: across schemes nobody can say who is
    who, and the contract's own members count.
    """
    value = node.value
    if isinstance(value, dict):
        object_ = reader.members(node) or {}
        if "refinement" in object_:
            reader.fault(object_["refinement"][0].path, f"a refinement of the {role} does not map")
        if "@id" not in object_:
            return
        node = object_["@id"][0]
        value = reader.iri(node.value) if isinstance(node.value, str) else node.value
    if not isinstance(value, str):
        reader.fault(node.path, "Expected an IRI")
        return
    given = _party(value)
    if isinstance(agreed, str) and _scheme(given) == _scheme(agreed) and given != agreed:
        reader.fault(node.path, f"the {role} must be the contract's {member}, {shown(agreed)}, got {shown(given)}")


def _party(text: str) -> str:
    """A party as the monitor names it: the credit code that an IRI ends in, else the text itself."""
    last = _last_part(text)
    return last if len(last) == 18 and check_party(last) is None else text


def _scheme(text: str) -> str:
    scheme, colon, _ = text.partition(":")
    return scheme if colon else ""


def _last_part(text: str) -> str:
    return re.split("[/#:]", text)[-1]


def _read_action(reader: _Reader, node: _Node, limits: _Limits) -> None:
    if isinstance(node.value, dict):
        members = reader.members(node) or {}
        if "refinement" in members:
            reader.fault(members["refinement"][0].path, "a refinement of the action does not map")
            return
        node = next(iter(members.get(f"{RDF}value", ())), node)
    name = reader.term(node)
    if name is None:
        return
    if ":" in name or not _MEMBER.fullmatch(name):
        reader.fault(node.path, f"only actions of ODRL map onto terms, got {shown(name)}")
    elif name in RESALE:
        limits.allow("resale")
    elif name in DERIVATION:
        limits.allow("derivation")


def _read_constraint(reader: _Reader, node: _Node, limits: _Limits) -> None:
    members = reader.members(node)
    if members is None:
        return
    types = [reader.term(type_) for type_ in members.get("@type", ())]
    if "LogicalConstraint" in types or LOGICAL & members.keys():
        reader.fault(node.path, "a logical constraint does not map onto terms")
        return
    _refuse_others(reader, members, CONSTRAINT_TAKEN)
    left = _only(reader, node, members, "leftOperand")
    operator = _only(reader, node, members, "operator")
    rights = members.get("rightOperand", [])
    if not rights:
        reader.fault(node.path, "Expected a `rightOperand`")
    if left is None or operator is None or not rights:
        return
    operators = OPERATORS.get(left)
    if operators is None:
        reader.fault(node.path, f"the left operand {shown(left)} does not map onto terms")
    elif operator not in operators:
        takes = " or ".join(operators)
        reader.fault(node.path, f"`{left}` takes {takes}, got {shown(operator)}")
    elif operator != "isAnyOf" and len(rights) > 1:
        reader.fault(node.path, f"`{operator}` takes one `rightOperand`, got {len(rights)}")
    else:
        declared = [reader.term(type_) for type_ in members.get("dataType", ())]
        values = [_operand(reader, right, left, declared) for right in rights]
        _LIMIT[left](reader, limits, operator, [value for value in values if value is not None])


def _only(reader: _Reader, node: _Node, members: _Members, name: str) -> str | None:
    found = members.get(name, [])
    if len(found) != 1:
        reader.fault(node.path, f"Expected one `{name}`, got {len(found)}")
        return None
    return reader.term(found[0])


def _brief(name: str) -> str:
    return name if _MEMBER.fullmatch(name) else shown(name)


def _operand(reader: _Reader, node: _Node, left: str, declared: list[str | None]) -> _Node | None:
    """A right operand without what wraps it; None where its type does not fit the left one."""
    literal = reader.literal(node)
    if literal is None:
        return None
    value, type_ = literal
    taken = TYPES.get(left, TEXT_TYPES)
    for name in (type_, *declared):
        if name is not None and name.removeprefix(XSD) not in taken:
            reader.fault(node.path, f"`{left}` takes no value of the type {shown(name)}")
            return None
    if not isinstance(value, str) and left != "count":
        reader.fault(node.path, f"Expected `str`, got `{type(value).__name__}`")
        return None
    return _Node(node.path, value)


def _limit_count(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    for path, value in values:
        count = _whole(value)
        if count is None or not 0 <= count <= COUNT_MAX:
            reader.fault(path, f"Expected a whole number from 0 to {COUNT_MAX}")
        else:
            limits.at_most("uses_max", count)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _limit_time(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    for path, value in values:
        try:
            instant = parse_instant(value)
        except ValueError as error:
            reader.fault(path, str(error))
            continue
        if operator == "lt":
            limits.before(path, instant)
        else:
            limits.not_before(instant)


def _limit_span(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    for path, value in values:
        match = _DURATION.fullmatch(value)
        if match is None:
            reader.fault(path, f"Expected an ISO 8601 duration, got {shown(value)}")
        else:
            years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:7])
            exact = (weeks * 7 + days) * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
            limits.within(path, (years * 12 + months, exact + int((match[8] or "").ljust(6, "0"))))


def _after(began: int, span: tuple[int, int]) -> int | None:
    """The instant a span of (calendar months, microseconds) later; None where no such instant has a day."""
    months, exact = span
    day = day_of(began)
    if day.year * 12 + day.month - 1 + months >= 10_000 * 12:
        return None
    end = began - start_of_day(day) + start_of_day(add_months(day, months)) + exact
    return end if end <= LATEST else None


def _limit_list(term: str, check: Callable[[str], str | None]) -> "_Limiter":
    def limit(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
        for path, value in values:
            if (broken := check(value)) is not None:
                reader.fault(path, f"{broken}, got {shown(value)}", identifies=check is check_id)
        limits.one_of(values[0].path if values else ROOT, term, [value for _, value in values])

    return limit


def _limit_recipients(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    parties = [_Node(path, _party(value)) for path, value in values]
    _limit_list("recipients", check_id)(reader, limits, operator, parties)


def _limit_delivery(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    modes = [_Node(path, _last_part(value)) for path, value in values]
    _limit_list("delivery", _check_mode)(reader, limits, operator, modes)


def _check_mode(text: str) -> str | None:
    return None if text in get_args(DeliveryMode) else f"a delivery mode is one of {', '.join(get_args(DeliveryMode))}"


def _limit_places(reader: _Reader, limits: _Limits, operator: str, values: list[_Node]) -> None:
    """Countries or regions. Terms ask for both of the two, so a list that means one or the other does not map."""
    places = [_Node(path, _last_part(value)) for path, value in values]
    regions = [place for place in places if _DIGITS.fullmatch(place.value)]
    if regions and len(regions) < len(places):
        other = next(place for place in places if place not in regions)
        reader.fault(other.path, "a list of countries or of regions maps onto terms, and one of both does not")
    elif regions:
        _limit_list("regions", check_region)(reader, limits, operator, regions)
    else:
        _limit_list("countries", check_country)(reader, limits, operator, places)


_Limiter = Callable[[_Reader, _Limits, str, list[_Node]], None]
_LIMIT: Final[Mapping[str, _Limiter]] = {
    "count": _limit_count,
    "dateTime": _limit_time,
    "elapsedTime": _limit_span,
    "purpose": _limit_list("purposes", check_text),
    "spatial": _limit_places,
    "recipient": _limit_recipients,
    "deliveryChannel": _limit_delivery,
    "systemDevice": _limit_list("environments", check_text),
}
