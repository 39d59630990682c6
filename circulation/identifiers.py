"""Limits and forms of names: parties, ids, countries, regions, industries, currencies, money.

A check answers with the rule that the text breaks, or None. The types below carry their check, so that a struct that
names a type names the rule (`circulation.events.reading` builds its walk over an event's data from them).
"""

import functools
import re
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

import msgspec
import pycountry

from circulation.currencies import CURRENCIES

ID_LENGTH_MAX: Final = 128
SOURCE_LENGTH_MAX: Final = 1_024
DATASET_LENGTH_MAX: Final = 1_024
COUNT_MAX: Final = 2**53 - 1
KEPT_MAX: Final = 65_536
# Faults that are told of one event.
FAULTS_MAX: Final = 10

COUNTRIES: Final = frozenset(country.alpha_2 for country in pycountry.countries)

_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_VALUES: Final = {character: value for value, character in enumerate(_USCC_ALPHABET)}
_USCC_WEIGHTS: Final = tuple(pow(3, place, 31) for place in range(17))

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_REGION: Final = re.compile(r"[1-9][0-9]{5}")
_INDUSTRY: Final = re.compile(r"[A-T](?:[0-9]{2,4})?")
_MONEY: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,6})?")


def uscc_check_character(first17: str) -> str:
    """The 18th character of a unified social credit code (GB 32100-2015); `KeyError` outside its alphabet."""
    total = sum(_USCC_VALUES[character] * weight for character, weight in zip(first17, _USCC_WEIGHTS, strict=True))
    return _USCC_ALPHABET[-total % 31]


@functools.lru_cache(KEPT_MAX)
def check_party(text: str) -> str | None:
    """A unified social credit code, or `scheme:value`.

    Of the code only the 18th character is verified: in old registers the inner check of places 9 to 17 often fails,
    and registering authorities are letters as well as digits. A scheme is as in RFC 3986: a letter, then letters,
    digits, `+`, `-`, `.`; the value is anything printable.
    """
    if (broken := _check_printable(text, ID_LENGTH_MAX)) is not None:
        return broken
    scheme, colon, value = text.partition(":")
    if colon:
        if not _SCHEME.fullmatch(scheme):
            return "a party's scheme is a letter, then letters, digits, +, - or ."
        return None if value else "a party's value after the scheme must not be empty"
    if len(text) != 18 or not all(character in _USCC_VALUES for character in text):
        return "a party is a unified social credit code (18 characters of GB 32100, upper case) or scheme:value"
    expected = uscc_check_character(text[:17])
    return None if text[17] == expected else f"the 18th character of this credit code must be {expected}"


def is_credit_code(party: str) -> bool:
    """Whether a party is a unified social credit code, and none of another scheme."""
    return ":" not in party


def check_id(text: str) -> str | None:
    """Any id of a thing: 1 to 128 printable characters."""
    return _check_printable(text, ID_LENGTH_MAX)


def check_source(text: str) -> str | None:
    """A CloudEvents `source` or an OpenLineage `producer`: a URI reference, so it may be longer than an id."""
    return _check_printable(text, SOURCE_LENGTH_MAX)


@functools.lru_cache(KEPT_MAX)
def check_asset(text: str) -> str | None:
    """An asset: an id, or an OpenLineage dataset, whose `namespace/name` may have up to 1,024 characters."""
    return _check_printable(text, DATASET_LENGTH_MAX if "/" in text else ID_LENGTH_MAX)


def check_document(text: str) -> str | None:
    """A document's id; an empty one is none (contract §2: a derivation stops with *non-empty* evidence)."""
    return None if text == "" else _check_printable(text, ID_LENGTH_MAX)


def _check_printable(text: str, length_max: int) -> str | None:
    if not text:
        return "must not be empty"
    if len(text) > length_max:
        return f"at most {length_max} characters, got {len(text)}"
    return None if text.isprintable() else "only printable characters"


def check_text(text: str) -> str | None:
    """Free text: anything but U+0000, which PostgreSQL cannot keep."""
    return "text must not contain U+0000" if "\0" in text else None


def check_country(text: str) -> str | None:
    """ISO 3166-1 alpha-2, upper case, as assigned."""
    return None if text in COUNTRIES else "a country is an ISO 3166-1 alpha-2 code"


def check_region(text: str) -> str | None:
    """GB/T 2260: six digits. Codes are not looked up: they change by the year, and old ones stay in use."""
    return None if _REGION.fullmatch(text) else "a region is a GB/T 2260 code of six digits"


def check_industry(text: str) -> str | None:
    """GB/T 4754-2017: the section's letter, then nothing or the two to four digits of division, group or class."""
    return None if _INDUSTRY.fullmatch(text) else "an industry is a GB/T 4754 code: a letter A to T, then 2 to 4 digits"


def check_currency(text: str) -> str | None:
    """ISO 4217, upper case."""
    return None if text in CURRENCIES else "a currency is an ISO 4217 code"


def check_money(text: str) -> str | None:
    """A decimal string of at least 0: up to 18 digits before the point and 6 after it, no sign, no exponent."""
    if _MONEY.fullmatch(text):
        return None
    return "money is a decimal string of at least 0, up to 18 digits before the point and 6 after it"


class Rule(NamedTuple):
    """How a text of some type is checked, whether breaking it is `bad-identifier` or `invalid-data`, and what kind of
    value it is, for who sends no text at all."""

    check: Callable[[str], str | None]
    identifies: bool
    kind: str


class Fault(NamedTuple):
    """A fault of an event: the place, and the rule that is broken."""

    path: str
    rule: str

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}"


class Problems:
    """Faults as a walk finds them: the first malformed identifiers, and the first of all other faults, up to
    `FAULTS_MAX` of each; and how many members nobody knows."""

    __slots__ = ("faults", "identifiers", "unknown")

    def __init__(self) -> None:
        self.identifiers: list[Fault] = []
        self.faults: list[Fault] = []
        self.unknown = 0

    def add(self, path: str, rule: str, *, identifies: bool = False) -> None:
        """One more; codes have an order (contract §1), so the two kinds are told apart."""
        faults = self.identifiers if identifies else self.faults
        if len(faults) < FAULTS_MAX:
            faults.append(Fault(path, rule))

    @property
    def full(self) -> bool:
        """Whether no more faults are told."""
        return len(self.faults) >= FAULTS_MAX

    @property
    def identifier(self) -> Fault | None:
        """The first malformed identifier."""
        return self.identifiers[0] if self.identifiers else None

    @property
    def fault(self) -> Fault | None:
        """The first of all other faults."""
        return self.faults[0] if self.faults else None


def _meta(check: Callable[[str], str | None], kind: str, *, identifies: bool) -> Any:
    return msgspec.Meta(extra={"rule": Rule(check, identifies, kind)})


Party = Annotated[str, _meta(check_party, "a party: a unified social credit code or scheme:value", identifies=True)]
Identifier = Annotated[str, _meta(check_id, "an id", identifies=True)]
AssetId = Annotated[str, _meta(check_asset, "the id of an asset", identifies=True)]
DocumentId = Annotated[str, _meta(check_document, "the id of a document", identifies=True)]
Text = Annotated[str, _meta(check_text, "a text", identifies=False)]
Country = Annotated[str, _meta(check_country, "a country: an ISO 3166-1 alpha-2 code", identifies=False)]
Region = Annotated[str, _meta(check_region, "a region: a GB/T 2260 code of six digits in quotes", identifies=False)]
Industry = Annotated[str, _meta(check_industry, "an industry: a GB/T 4754 code", identifies=False)]
Currency = Annotated[str, _meta(check_currency, "a currency: an ISO 4217 code", identifies=False)]
Money = Annotated[str, _meta(check_money, 'money: a decimal string, as "10.50"', identifies=False)]
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Fraction = Annotated[float, msgspec.Meta(ge=0, le=1)]
