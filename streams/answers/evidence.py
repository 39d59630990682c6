"""Evidence of findings in sentences: any member in English, and those that lineage gives in words of their own, in
Chinese too."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from circulation.bounds import LEFT_OUT
from circulation.words import FACT, LEVEL, PERSONAL, RUN, listed_zh, many, zh

# Numbers that are names: nobody writes the year 2,025.
PLAIN: Final = frozenset({"year", "partition"})
_GRADES: Final = {"level": LEVEL, "personal": PERSONAL}

Evidence = Mapping[str, Any]
# A sentence in English and in Chinese.
Both = tuple[str, str]


def sentences(evidence: Evidence) -> list[str]:
    """Evidence as sentences: `The maximum is 1,000.`"""
    told = []
    for name, value in evidence.items():
        own = _OWN.get(name)
        own_words = None if own is None else own(evidence)
        told += [_sentence(name, value)] if own_words is None else [english for english, _ in own_words]
    return told


def sentences_zh(evidence: Evidence) -> list[str]:
    """The members of evidence that have words of their own, in Chinese."""
    own = (_OWN[name](evidence) for name in evidence if name in _OWN)
    return [chinese for own_words in own for _, chinese in own_words or ()]


def _path(evidence: Evidence) -> list[Both] | None:
    path = " → ".join(map(_text, evidence["path"]))
    return [(f"Path: {path}.", f"路径：{path}。")] if path else None


def _missing(evidence: Evidence) -> list[Both] | None:
    """What is not registered of the sources of an asset; other rules call other things missing."""
    if "missing_count" not in evidence:
        return None
    ids = evidence["missing"]
    return [(f"Not registered with an owner: {', '.join(ids)}.", f"未登记或无所有方：{listed_zh(ids)}。")]


def _in_all(member: str, english: str, chinese: str) -> Callable[[Evidence], list[Both]]:
    """A sentence of how many there are in all, of which the list `member` tells some; none where it tells all."""

    def count_of(evidence: Evidence) -> list[Both]:
        count = evidence[f"{member}_count"]
        if count == len(evidence.get(member, ())):
            return []
        return [(f"In all {count:,} {english}.", f"共{chinese.format(count=f'{count:,}')}。")]

    return count_of


def _sources_missing(evidence: Evidence) -> list[Both]:
    count = evidence["sources_missing"]
    return [(f"Of them {many(count, 'is a source', 'are sources')} of it.", f"其中来源 {count:,} 项。")]


def _unfinished(evidence: Evidence) -> list[Both]:
    return [
        (
            f"A run of {run['job']} that was to write it {RUN[run['state']].en} {run['since']}.",
            f"应写入它的 {run['job']} 运行于 {run['since']} {zh(RUN, run['state'])}。",
        )
        for run in evidence["unfinished"]
    ]


def _lower(evidence: Evidence) -> list[Both]:
    return [
        (
            f"Its {FACT[one['member']].en} is {one['given']}, and that of its input {one['input']} is {one['above']}.",
            f"其{zh(FACT, one['member'])}为{zh(_GRADES[one['member']], one['given'])}，而来源 {one['input']} 为"
            f"{zh(_GRADES[one['member']], one['above'])}。",
        )
        for one in evidence["lower"]
    ]


def _more(evidence: Evidence) -> list[Both] | None:
    """How many more inputs there are, which are among those that are told."""
    return [] if "lower" in evidence else None


# By member what it says in words of its own; None where it means something else there.
_OWN: Final[Mapping[str, Callable[[Evidence], list[Both] | None]]] = {
    "path": _path,
    "missing": _missing,
    "missing_count": _in_all("missing", "are not registered with an owner", " {count} 项未登记或无所有方"),
    "sources_missing": _sources_missing,
    "unfinished": _unfinished,
    "unfinished_count": _in_all("unfinished", "runs left it unfinished", "有 {count} 次运行未完成对它的写入"),
    "lower": _lower,
    "more": _more,
}


def _sentence(member: str, value: Any) -> str:
    name = member.replace("_", " ")
    title = name[:1].upper() + name[1:]
    if member.endswith(LEFT_OUT):
        way = "; circulation trace shows all of it" if member == f"path{LEFT_OUT}" else ""
        return f"Of the {member.removesuffix(LEFT_OUT).replace('_', ' ')}, {_text(value)} more are left out{way}."
    if value is None:
        return f"{title}: not given."
    if isinstance(value, list):
        return f"{title}: {', '.join(map(_text, value)) or 'none'}."
    return f"{title}: {value if member in PLAIN else _text(value)}."


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,}"
    if isinstance(value, list):
        return "–".join(map(_text, value))
    if isinstance(value, dict):
        return "; ".join(f"{name.replace('_', ' ')} {_text(one)}" for name, one in value.items())
    return "not given" if value is None else str(value)
