"""Reads the JSON-LD of a policy as it comes, nested, without an RDF library.

Taken are the short names of the ODRL context, `odrl:` and what `@context` states in place (prefixes, names, aliases of
keywords), full IRIs; single values or lists; plain strings, typed values and `{"@id"}`; a document that is a list of
one node, or a graph of one. Contexts are never fetched.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.calendar import shown
from circulation.identifiers import Problems, check_party
from circulation.odrl.vocabulary import TERMS

ODRL: Final = "http://www.w3.org/ns/odrl/2/"
XSD: Final = "http://www.w3.org/2001/XMLSchema#"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
ROOT: Final = "$.data.policy"

# A short name can stand for a long IRI, so a small policy could become large terms: both have their limits.
IRI_LENGTH_MAX: Final = 256
PREFIXES: Final = {"odrl": ODRL, "xsd": XSD, "rdf": RDF}

# ODRL's context has names of its own for two keywords of JSON-LD. All that it says is known here.
KEYWORDS: Final = {"uid": "@id", "type": "@type"}
CONTEXTS: Final = frozenset(f"{scheme}://www.w3.org/ns/odrl.jsonld" for scheme in ("http", "https"))
# Names that stand for names that stand for names: no more steps than this.
STEPS_MAX: Final = 8
# Members besides its IRI in the meaning of a name that move no values elsewhere and change no other name.
OF_A_MEANING: Final = frozenset({"@id", "@type", "@container", "@language", "@direction", "@prefix", "@protected"})
CONTAINERS: Final = ("@set", "@list")
# Keywords of JSON-LD that name a node or say nothing; what another one holds is said of the node too, or of others.
OF_A_NODE: Final = frozenset({"@id", "@type", "@index"})
# Members that may stand beside a graph: its context and its name.
OF_A_GRAPH: Final = frozenset({"@graph", "@context", "@id"})
MEMBER: Final = re.compile(r"@?[A-Za-z][A-Za-z0-9]{0,39}")


class Node(NamedTuple):
    """A value, and where it stands in the record."""

    path: str
    value: Any


Members = dict[str, list[Node]]


class Reader:
    """Reads the JSON-LD of one policy: expands names by its context, and takes single values for lists of one.

    `whole` says whether all that its names mean stands in place.
    """

    def __init__(self, policy: Any, problems: Problems) -> None:
        self._problems = problems
        self._context: dict[str, str] = {}
        self.whole = True
        self._root = Node(ROOT, policy)
        if isinstance(policy, list) and len(policy) == 1:
            self._root = Node(f"{ROOT}[0]", policy[0])
        self._take_context(self._root)

    def _take_context(self, node: Node) -> None:
        """Adds what names mean by the context of a node: its own meanings count before those that were there."""
        path, stated = f"{node.path}.@context", dict[str, str]()
        contexts = node.value.get("@context") if isinstance(node.value, dict) else None
        for context in contexts if isinstance(contexts, list) else [contexts]:
            if isinstance(context, str):
                self.whole = self.whole and context in CONTEXTS
            for name, meaning in context.items() if isinstance(context, dict) else ():
                self.whole = self.whole and name != "@import"
                iri = meaning.get("@id") if isinstance(meaning, dict) else meaning
                if isinstance(meaning, dict):
                    self._check_meaning(_step(path, name), meaning)
                if isinstance(iri, str) and not name.startswith("@"):
                    stated[name] = iri
        known = self._context | stated
        for name, iri in stated.items():
            whole = self._expanded(iri, known)
            if len(whole) > IRI_LENGTH_MAX:
                self.fault(path, f"an IRI of at most {IRI_LENGTH_MAX} characters")
                continue
            self._context[name] = whole

    def _check_meaning(self, path: str, meaning: Mapping[str, Any]) -> None:
        """Refuses meanings by which values stand where they are not looked for: contexts within, maps, the reverse."""
        container = meaning.get("@container") or ()
        containers = container if isinstance(container, list) else [container] if container else []
        refused = next((name for name in meaning if name not in OF_A_MEANING), None)
        if refused is None:
            refused = next((name for name in containers if name not in CONTAINERS), None)
        if refused is not None:
            self.fault(path, f"a name with {shown(str(refused))} in its meaning does not map onto terms")

    @staticmethod
    def _expanded(iri: str, stated: Mapping[str, str]) -> str:
        """Expand a name of the context by its other names, in any order."""
        for _ in range(STEPS_MAX):
            prefix, colon, rest = iri.partition(":")
            if iri in stated and stated[iri] != iri:
                iri = stated[iri]
            elif colon and not rest.startswith("//") and (known := stated.get(prefix) or PREFIXES.get(prefix)):
                iri = known + rest
            elif colon or iri.startswith("@"):
                return iri
            else:
                return KEYWORDS.get(iri, ODRL + iri)
        return iri

    def document(self) -> Node:
        """The node that the policy is: itself, or the one of its list or its graph."""
        if not isinstance(self._root.value, dict):
            return self._root
        members = self.members(self._root) or {}
        graph = members.get("@graph", [])
        if not graph:
            return self._root
        for node in (*graph[1:], *(nodes[0] for name, nodes in members.items() if name not in OF_A_GRAPH)):
            self.fault(node.path, "a graph maps onto terms that has one Agreement and nothing else")
        self._take_context(graph[0])
        return graph[0]

    def fault(self, path: str, rule: str, *, identifies: bool = False) -> None:
        """Add a fault, with its place."""
        self._problems.add(path, rule, identifies=identifies)

    def iri(self, text: str) -> str:
        """An IRI without its prefix; what has no prefix that is known stays as it is."""
        prefix, colon, rest = text.partition(":")
        known = self._context.get(prefix) or PREFIXES.get(prefix)
        return text if not colon or rest.startswith("//") or known is None else known + rest

    def unsaid(self, name: str) -> bool:
        """Whether a name may be one of ODRL's, by a context that does not stand in place."""
        return not self.whole and not name.startswith("@") and "//" not in name and last_part(name) in TERMS

    def name(self, text: str, *, short: bool = True) -> str:
        """A name of a vocabulary: ODRL's in short (no other has none of `:` and `@`), any other as an IRI."""
        if text in self._context:
            iri = self._context[text]
        elif ":" in text or text.startswith("@"):
            iri = self.iri(text)
        else:
            iri = KEYWORDS.get(text, ODRL + text)
        return iri.removeprefix(ODRL) if short else iri

    def members(self, node: Node) -> Members | None:
        """An object's values by name; members that say nothing (null, an empty list) are not there."""
        if not isinstance(node.value, dict):
            self.fault(node.path, "Expected an object that says it all in place")
            return None
        members: Members = {}
        for key, value in node.value.items():
            if values := list(self._values(value, _step(node.path, key))):
                members.setdefault(self.name(key), []).extend(values)
        return members

    def _values(self, value: Any, path: str) -> Iterator[Node]:
        """The values of a member: one, or those of a list, also of JSON-LD's `@list` and `@set`."""
        items = (
            [(f"{path}[{index}]", item) for index, item in enumerate(value)]
            if isinstance(value, list)
            else [(path, value)]
        )
        for at, item in items:
            wrapped = self._wrapped(item) if isinstance(item, dict) and len(item) == 1 else None
            if wrapped is not None:
                yield from (
                    Node(f"{at}[{index}]", member) for index, member in enumerate(wrapped) if member is not None
                )
            elif item is not None:
                yield Node(at, item)

    def _wrapped(self, item: Mapping[str, Any]) -> Sequence[Any] | None:
        ((name, items),) = item.items()
        if self.name(name) not in ("@list", "@set"):
            return None
        return items if isinstance(items, list) else [items]

    def literal(self, node: Node) -> tuple[Any, str | None] | None:
        """A value and its data type, if it bears one: plain, typed, or an IRI."""
        value = node.value
        if not isinstance(value, dict):
            return value, None
        members = {self.name(name): member for name, member in value.items()}
        if len(members) < len(value):
            self.fault(node.path, "Expected each of its members once")
            return None
        if isinstance(members.get("@id"), str):
            return self.iri(members["@id"]), None
        if "@value" in members:
            type_ = members.get("@type")
            return members["@value"], self.name(type_, short=False) if isinstance(type_, str) else None
        self.fault(node.path, "Expected a value, a typed value or an IRI")
        return None

    def term(self, node: Node) -> str | None:
        """A name of a vocabulary that stands as a value."""
        literal = self.literal(node)
        if literal is None:
            return None
        if not isinstance(literal[0], str):
            self.fault(node.path, "Expected a name")
            return None
        return self.name(literal[0])


def _step(path: str, key: str) -> str:
    return f"{path}.{key}" if MEMBER.fullmatch(key) else f"{path}[{shown(key)}]"


def party_of(text: str) -> str:
    """A party as the monitor names it: the credit code that an IRI ends in, else the text itself."""
    last = last_part(text)
    return last if len(last) == 18 and check_party(last) is None else text


def last_part(text: str) -> str:
    """The last step of an IRI, which names the thing."""
    return re.split("[/#:]", text)[-1]


def brief(name: str) -> str:
    """A name as a fault shows it."""
    return name if MEMBER.fullmatch(name) else shown(name)
