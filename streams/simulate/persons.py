"""Plants about data of persons and of the public: consent, reviews, volumes, and what leaves as raw data."""

from collections.abc import Iterator
from typing import Any, Final

from circulation.calendar import DAY, format_instant
from circulation.findings import Kind
from streams.simulate.ground import Ground, Plant
from streams.simulate.told import Must, Told


def _ends(on: Ground) -> dict[str, Any]:
    # Important data is screened when a rule on it takes effect after the market's last day: these are over by then.
    return {"valid_to": format_instant(on.day(200))}


def unconsented(on: Ground) -> Iterator[Told | Must]:
    """Sensitive data with a person in it is delivered, and the seller has no consent: none at all, one that expires at
    the delivery, one that is issued after it. With nobody in it, or with a consent of that instant, it may be."""
    time = on.day(6)
    yield on.party("seller")
    yield on.granted("seller", "impact-assessment")
    for name, grant, persons in (
        ("none", None, 1),
        ("nobody", None, 0),
        ("expired", {"valid_to": format_instant(time)}, 1),
        ("late", {"time": time + 1}, 1),
        ("in-time", {"time": time}, 1),
        ("until-after", {"valid_to": format_instant(time + 1)}, 1),
    ):
        asset = f"asset-{name}"
        yield on.asset(asset, personal="sensitive", persons=10)
        if grant is not None:
            facts: dict[str, Any] = {"assets": [on.thing(asset)]} | grant
            yield on.granted("seller", "consent", facts.pop("time", None), **facts)
        yield from on.trade(name, asset=asset, delivered=False)
        delivery = on.delivered(name, time, persons=persons)
        yield delivery
        if name in ("none", "expired", "late"):
            evidence = {"consent": "consent", "persons": 1}
            why = f"sensitive data of a person was delivered without consent: {name}"
            yield on.must("consent-missing", "red", on.contract(name), why, cause=delivery, evidence=evidence)


def children(on: Ground) -> Iterator[Told | Must]:
    """Data of children needs a guardian's consent, also under the negative list: sold with one, delivered once before
    and once after it was revoked."""
    yield on.party("seller")
    yield on.granted("seller", "impact-assessment")
    consent = on.granted("seller", "guardian-consent")
    yield consent
    yield on.asset("asset", personal="minor", persons=10)
    yield from on.trade("contract", delivered=False)
    revoked = on.day(10)
    yield on.event("grant.revoked", on.who("seller"), revoked, grant=consent.data["grant"], reason="withdrawn")
    yield on.delivered("contract", revoked - 1, sensitive_persons=1)
    delivery = on.delivered("contract", revoked, sensitive_persons=1)
    yield delivery
    why = "data of a child was delivered when the guardian's consent was revoked"
    yield on.must(
        "consent-missing", "red", on.contract("contract"), why, cause=delivery, consent="guardian-consent", persons=1
    )
    why = "data of children is restricted without a guardian's consent"
    evidence = {"action": "deliver", "entry": "NL-24"}
    yield on.must("negative-list", "orange", ("asset", on.thing("asset")), why, cause=delivery, evidence=evidence)


def unreviewed(on: Ground) -> Iterator[Told | Must]:
    """Important data is sold without a risk assessment, personal data without an impact assessment, a model without a
    review of its algorithm; each beside one whose review was issued at the signing."""
    for kind, facts, product in (
        ("risk-assessment", {"level": "important"}, "api"),
        ("impact-assessment", {"personal": "personal", "persons": 10}, "api"),
        ("algorithm-review", {}, "model"),
    ):
        for name in ("with", "without"):
            asset, contract, seller = f"{name}-{kind}", f"sold-{name}-{kind}", f"seller-{name}-{kind}"
            yield from (on.party(seller), on.asset(asset, owner=seller, **facts))
            yield on.listed(asset, seller=seller, delivery=[product])
            yield on.granted(seller, kind, on.day(5) + (name == "without"), assets=[on.thing(asset)])
            more: dict[str, Any] = {"product": f"product-{on.thing(asset)}", "terms": _ends(on)}
            yield from on.trade(contract, asset=asset, seller=seller, **more)
            if name == "without":
                why = f"sold a microsecond before the {kind} was issued"
                yield on.must(
                    "review-missing", "orange", on.contract(contract), why, occurred=on.day(5), missing=[kind]
                )


def crowds(on: Ground) -> Iterator[Told | Must]:
    """An owner's registered assets hold data of exactly so many persons: nothing; of one more: said once, and not
    again. 10,000,000 personal, 1,000,000 sensitive and of children, 100,000 of a critical infrastructure."""
    for name, parts, limit, measure, infrastructure in (
        ("personal", ("personal", "personal"), 10_000_000, "personal", None),
        ("sensitive", ("sensitive", "minor"), 1_000_000, "sensitive", None),
        ("ciio", ("personal", "sensitive"), 100_000, "ciio", True),
    ):
        yield on.party(name, ciio=infrastructure)
        yield on.asset(f"{name}-0", owner=name, personal=parts[0], persons=limit - 10)
        yield on.asset(f"{name}-1", on.day(2), owner=name, personal=parts[1], persons=10)
        over = on.asset(f"{name}-2", on.day(3), owner=name, personal=parts[0], persons=1)
        yield from (over, on.asset(f"{name}-3", on.day(4), owner=name, personal=parts[0], persons=1_000))
        yield on.must(
            "person-volume",
            "orange",
            ("party", on.who(name)),
            f"the assets of one owner hold data of more than {limit:,} persons ({measure})",
            cause=over,
            party=on.who(name),
            measure=measure,
            persons=limit + 1,
        )


def black_market(on: Ground) -> Iterator[Told | Must]:
    """Sold outside an exchange: of 50 tracks, 500 health records and 5,000 others a part each, which add up to one;
    less by one item do not, and on an exchange nobody counts."""
    for name, persons_more in (("seller", 10), ("nearly", 9), ("filed", 10)):
        yield from (on.party(name), on.granted(name, "impact-assessment"))
        channel = "filed" if name == "filed" else "off-exchange"
        # 25/50 + 249/500 + 10/5,000 = 1
        last = 0
        for at, (category, persons) in enumerate((("tracks", 25), ("health", 249), (None, persons_more))):
            facts: dict[str, Any] = {} if category is None else {"category": category}
            asset, contract = f"{name}-{at}", f"sold-{name}-{at}"
            yield on.asset(asset, owner=name, personal="personal", persons=persons, **facts)
            last = on.day(5 + at)
            # Unpaid: categories that the law names are shared with other grounds, and what is paid makes a market.
            yield from on.trade(contract, last, asset=asset, seller=name, channel=channel, paid=False, amount="1")
        if name == "seller":
            why = "the parts of the numbers of the law add up to one with the third sale"
            yield on.must(
                "black-market", "red", ("party", on.who(name)), why, occurred=last, party=on.who(name), sum="1/1"
            )


def illegal_gains(on: Ground) -> Iterator[Told | Must]:
    """Sold outside an exchange, data of a person for 5,000 yuan in two sales, or of a customer of a service for half of
    that; for a millionth less, or in another currency, is not enough."""
    served = ["obtained-in-service"]
    for name, amounts, tags, currency in (
        ("gaining", ("2500", "2500"), None, "CNY"),
        ("scarcely", ("2500", "2499.999999"), None, "CNY"),
        ("serving", ("1000", "1500"), served, "CNY"),
        ("served", ("1000", "1499.999999"), served, "CNY"),
        ("abroad", ("2500", "2500"), None, "EUR"),
    ):
        asset, party, last = f"{name}-asset", on.who(name), on.day(6)
        yield from (on.party(name), on.granted(name, "impact-assessment"))
        yield on.asset(asset, owner=name, personal="personal", persons=1, tags=tags)
        for at, amount in enumerate(amounts):
            sold: dict[str, Any] = {"asset": asset, "seller": name, "amount": amount, "currency": currency}
            yield from on.trade(f"sold-{name}-{at}", on.day(5 + at), **sold, paid=False, channel="off-exchange")
        if name in ("gaining", "serving"):
            why = "the proceeds of the law are reached with the second sale"
            yield on.must("black-market", "red", ("party", party), why, occurred=last, party=party, proceeds_sum="1/1")


def _public(on: Ground, name: str, seller: str = "seller", **grant: Any) -> Iterator[Told]:
    """Public data, and who may operate it."""
    yield on.asset(name, owner=seller, public=True)
    yield on.granted(seller, "public-operation", assets=[on.thing(name)], **grant)


def raw(on: Ground) -> Iterator[Told | Must]:
    """Public data leaves as a file and over an interface; as a report and in private computing it may be given."""
    yield from (on.party("seller"), *_public(on, "asset"))
    yield from on.trade("contract", delivered=False)
    for at, (mode, allowed) in enumerate(
        (("file", False), ("api", False), ("report", True), ("private-computing", True))
    ):
        delivery = on.delivered("contract", on.day(6 + at), mode=mode)
        yield delivery
        if not allowed:
            why = f"public data was delivered as {mode}"
            yield on.must("raw-public-data", "red", on.contract("contract"), why, cause=delivery, mode=mode)


def unauthorised(on: Ground) -> Iterator[Told | Must]:
    """Public data is sold for a purpose, or at a time, that the authorisation does not cover; the negative list says
    the same. For the purpose, and a microsecond before it expires, it may be."""
    yield on.party("seller")
    time = on.day(5)
    for name, grant in (
        ("purpose", {"purposes": ["health"]}),
        ("expired", {"valid_to": format_instant(time)}),
        ("within", {"purposes": ["traffic"], "valid_to": format_instant(time + 1)}),
    ):
        yield from _public(on, f"asset-{name}", **grant)
        yield from on.trade(name, asset=f"asset-{name}", terms={"purposes": ["traffic"]}, delivered=False)
        yield on.delivered(name, on.day(6), mode="report")
        if name != "within":
            why = f"public data sold, and no authorisation covers that: {name}"
            yield on.must("authorisation-scope", "orange", on.contract(name), why, occurred=time)
            about: tuple[Kind, str] = ("asset", on.thing(f"asset-{name}"))
            yield on.must("negative-list", "orange", about, why, occurred=time, action="trade", entry="NL-07")


def over_the_counter(on: Ground) -> Iterator[Told | Must]:
    """Public data traded outside an exchange; a contract that was filed is as good as one on it."""
    yield from (on.party("seller"), *_public(on, "asset"))
    for name, channel in (("unfiled", "off-exchange"), ("filed", "filed")):
        yield from on.trade(name, channel=channel, delivered=False)
        yield on.delivered(name, on.day(6) + DAY, mode="report")
    why = "public data was sold outside an exchange, and nobody filed it"
    yield on.must("off-exchange-public", "yellow", on.contract("unfiled"), why, occurred=on.day(5))


PLANTS: Final[tuple[Plant, ...]] = (
    unconsented,
    children,
    unreviewed,
    crowds,
    black_market,
    illegal_gains,
    raw,
    unauthorised,
    over_the_counter,
)
