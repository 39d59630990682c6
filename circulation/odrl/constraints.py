"""Reads the constraints of a permission, each into a limit."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

import pycountry

from circulation.calendar import DAY, HOUR, LATEST, MINUTE, SECOND, parse_instant, shown
from circulation.identifiers import COUNT_MAX, check_country, check_id, check_region, check_text
from circulation.odrl.geonames import COUNTRIES
from circulation.odrl.json_ld import ROOT, XSD, Members, Node, Reader, brief, last_part, party_of
from circulation.odrl.limits import Limits
from circulation.odrl.vocabulary import why_refused
from circulation.terms import DeliveryMode

CONSTRAINT_TAKEN: Final = frozenset({"@id", "@type", "leftOperand", "operator", "rightOperand", "dataType"})
ALL_TAKEN: Final = frozenset({"@id", "@type", "and"})
LOGICAL: Final = frozenset({"or", "xone", "andSequence", "operand"})

# The operators of each left operand, and the data types of XML Schema that its values may bear.
_ANY_OF: Final = ("eq", "isAnyOf")
OPERATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "count": ("lteq", "lt"),
    "dateTime": ("gteq", "gt", "lteq", "lt"),
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
_DIGITS: Final = re.compile(r"[0-9]{6}")
# An instant that has more digits than a microsecond has.
_FINER: Final = re.compile(r"\.[0-9]{6}0*[1-9]")
# The EU's authority table of countries, by ISO 3166-1 alpha-3, and the features of GeoNames, by their numbers.
_OF_THE_EU: Final = re.compile(r"https?://publications\.europa\.eu/resource/authority/country/([A-Z]{3})/?")
_OF_GEONAMES: Final = re.compile(r"https?://(?:sws\.|www\.)?geonames\.org/([0-9]{1,12})(?:/.*)?")


def refuse_others(reader: Reader, members: Members, mapped: frozenset[str]) -> None:
    """Members of ODRL (or of no vocabulary: a slip of the pen) that do not map; those of others are description."""
    for name, nodes in members.items():
        if name not in mapped and (":" not in name or reader.unsaid(name)):
            reader.fault(nodes[0].path, f"`{brief(name)}` does not map onto terms{why_refused(name)}")


def types_of(reader: Reader, members: Members) -> set[str]:
    """The types of a node that are of ODRL, or of no vocabulary."""
    types = (reader.term(node) for node in members.get("@type", ()))
    return {type_ for type_ in types if type_ is not None and ":" not in type_}


def read_constraint(reader: Reader, node: Node, limits: Limits) -> None:
    """Adds one constraint to the limits, or all of which one is made by `and`, or says why it does not map."""
    members = reader.members(node)
    if members is None:
        return
    types = types_of(reader, members)
    if "and" in members and types <= {"LogicalConstraint"}:
        refuse_others(reader, members, ALL_TAKEN)
        for part in members["and"]:
            read_constraint(reader, part, limits)
        return
    if types - {"Constraint"} or LOGICAL & members.keys():
        reader.fault(node.path, "a logical constraint other than `and` of ones that map does not map onto terms")
        return
    refuse_others(reader, members, CONSTRAINT_TAKEN)
    left = _only(reader, node, members, "leftOperand")
    operator = _only(reader, node, members, "operator")
    rights = members.get("rightOperand", [])
    if not rights:
        reader.fault(node.path, "Expected a `rightOperand`")
    if left is None or operator is None or not rights:
        return
    operators = OPERATORS.get(left)
    if operators is None:
        reader.fault(node.path, f"the left operand {shown(left)} does not map onto terms{why_refused(left)}")
    elif operator not in operators:
        takes = " or ".join(operators)
        reader.fault(node.path, f"`{left}` takes {takes}, got {shown(operator)}")
    elif operator != "isAnyOf" and len(rights) > 1:
        reader.fault(node.path, f"`{operator}` takes one `rightOperand`, got {len(rights)}")
    else:
        declared = [reader.term(type_) for type_ in members.get("dataType", ())]
        values = [_operand(reader, right, left, declared) for right in rights]
        _LIMIT[left](reader, limits, operator, [value for value in values if value is not None])


def _only(reader: Reader, node: Node, members: Members, name: str) -> str | None:
    values = members.get(name, [])
    if len(values) != 1:
        reader.fault(node.path, f"Expected one `{name}`, got {len(values)}")
        return None
    return reader.term(values[0])


def _operand(reader: Reader, node: Node, left: str, declared: list[str | None]) -> Node | None:
    """A right operand without what wraps it; None where its type does not fit the left one."""
    literal = reader.literal(node)
    if literal is None:
        return None
    value, type_ = literal
    accepted = TYPES.get(left, TEXT_TYPES)
    for name in (type_, *declared):
        if name is not None and name.removeprefix(XSD) not in accepted:
            reader.fault(node.path, f"`{left}` takes no value of the type {shown(name)}")
            return None
    if not isinstance(value, str) and left != "count":
        reader.fault(node.path, f"Expected `str`, got `{type(value).__name__}`")
        return None
    return Node(node.path, value)


def _limit_count(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    less = int(operator == "lt")
    for path, value in values:
        count = _whole(value)
        if count is None or not less <= count <= COUNT_MAX + less:
            reader.fault(path, f"Expected a whole number from {less} to {COUNT_MAX + less}")
        else:
            limits.at_most("uses_max", count - less)


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and _COUNT.fullmatch(value):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _limit_time(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    for path, value in values:
        try:
            instant = parse_instant(value)
        except ValueError as error:
            reader.fault(path, str(error))
            continue
        # Terms begin at an instant and end before one: between two microseconds it is the later one.
        instant += operator in ("gt", "lteq") or _FINER.search(value) is not None
        if instant > LATEST:
            reader.fault(path, "an instant before the year 10000")
        elif operator in ("lt", "lteq"):
            limits.before(path, instant)
        else:
            limits.not_before(instant)


def _limit_span(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    for path, value in values:
        match = _DURATION.fullmatch(value)
        if match is None:
            reader.fault(path, f"Expected an ISO 8601 duration, got {shown(value)}")
        else:
            years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:7])
            exact = (weeks * 7 + days) * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND
            limits.within(path, (years * 12 + months, exact + int((match[8] or "").ljust(6, "0"))))


def _limit_list(term: str, check: Callable[[str], str | None]) -> "_Limiter":
    def limit(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
        for path, value in values:
            if (broken := check(value)) is not None:
                reader.fault(path, f"{broken}, got {shown(value)}", identifies=check is check_id)
        limits.one_of(values[0].path if values else ROOT, term, [value for _, value in values])

    return limit


def _limit_recipients(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    parties = [Node(path, party_of(value)) for path, value in values]
    _limit_list("recipients", check_id)(reader, limits, operator, parties)


def _limit_delivery(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    modes = [Node(path, last_part(value)) for path, value in values]
    _limit_list("delivery", _check_mode)(reader, limits, operator, modes)


def _check_mode(text: str) -> str | None:
    return None if text in get_args(DeliveryMode) else f"a delivery mode is one of {', '.join(get_args(DeliveryMode))}"


def _limit_places(reader: Reader, limits: Limits, operator: str, values: list[Node]) -> None:
    """Countries or regions. Terms ask for both of the two, so a list that means one or the other does not map."""
    places = [Node(path, _place(value)) for path, value in values]
    regions = [place for place in places if _DIGITS.fullmatch(place.value)]
    if regions and len(regions) < len(places):
        country = next(place for place in places if place not in regions)
        reader.fault(country.path, "a list of countries or of regions maps onto terms, and one of both does not")
    elif regions:
        _limit_list("regions", check_region)(reader, limits, operator, regions)
    else:
        _limit_list("countries", check_country)(reader, limits, operator, places)


def _place(text: str) -> str:
    """A country or a region; an IRI of a vocabulary that has no such country stays what it is."""
    if (match := _OF_THE_EU.fullmatch(text)) is not None:
        country = pycountry.countries.get(alpha_3=match[1])
        return text if country is None else str(country.alpha_2)
    if (match := _OF_GEONAMES.fullmatch(text)) is not None:
        return COUNTRIES.get(match[1], text)
    return last_part(text)


_Limiter = Callable[[Reader, Limits, str, list[Node]], None]
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
