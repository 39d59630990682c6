"""Kinds of acts of sales: listings, contracts and their amendments, deliveries, settlements."""

from typing import Any, Final

from benchmarks.kinds.events import ASSET, TOP, at, member, party_id, record
from benchmarks.kinds.kind import Kind
from circulation import examples
from circulation.examples import ABROAD, BUYER, SELLER, Json

_CONTRACT = examples.signed("contract", "2025-01-03")
_PAYING = examples.signed("contract", "2025-01-03", amount="100000000", terms=examples.terms(pay_within_days=300))


def _signed(contract: str, i: int, **data: Any) -> Json:
    return examples.signed(contract, at(i), **({"asset": f"asset-{i}", "buyer": party_id(i)} | data))


def _settled(i: int, contract: str = "contract") -> Json:
    paid = {"payer": BUYER, "payee": SELLER, "amount": "1.00"}
    return examples.event("settlement.paid", contract, at(i), settlement=f"settlement-{i}", **paid)


def _sighted(i: int) -> Json:
    return examples.event(
        "watermark.sighted", "asset", at(i), watermark=f"mark-{i % 7}", holder=party_id(i), place="a forum"
    )


def _listed(i: int) -> Json:
    return examples.listed("asset", at(i + 0.5), product="product")


def _refused(i: int) -> Json:
    return examples.event("request.refused", "asset", at(i), buyer=party_id(i), seller=SELLER, reason="no")


KINDS: Final = (
    Kind("listings of one asset", lambda i: examples.listed("asset", at(i), product=f"product-{i}"), [ASSET]),
    Kind("listings of one product", lambda i: examples.listed("asset", at(i), product="product"), [ASSET]),
    Kind(
        "contracts of one product, a listing between",
        lambda i: [_signed(f"contract-{i}", i, asset="asset", product="product"), _listed(i)],
        [ASSET],
    ),
    Kind(
        "listings of one seller",
        lambda i: [examples.asset(f"asset-{i}", at(i), owner=party_id(i)), examples.listed(f"asset-{i}", at(i + 0.5))],
    ),
    Kind("refusals of one asset", _refused, [ASSET]),
    Kind("watermarks sighted of one asset", _sighted, [ASSET, _CONTRACT]),
    Kind(
        "deliveries of one contract, each marked",
        lambda i: examples.delivered("contract", at(i), delivery=f"d-{i}", watermark=f"mark-{i}", recipient=BUYER),
        [ASSET, _CONTRACT],
    ),
    Kind(
        "deliveries of one contract",
        lambda i: examples.delivered("contract", at(i), delivery=f"d-{i}"),
        [ASSET, _CONTRACT],
    ),
    Kind("settlements of one contract", _settled, [ASSET, _PAYING]),
    Kind(
        "settlements and deliveries of one contract",
        lambda i: [_settled(i), examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}")],
        [ASSET, _PAYING],
    ),
    Kind(
        "amendments of one contract",
        lambda i: examples.signed("contract", at(i), amended=True, amount=f"{i + 1}"),
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, to seven buyers by turns",
        lambda i: examples.signed("contract", at(i), amended=True, buyer=party_id(i % 7)),
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another buyer",
        lambda i: examples.signed("contract", at(i), amended=True, buyer=party_id(i)),
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another buyer, a delivery between",
        lambda i: [
            examples.signed("contract", at(i), amended=True, buyer=party_id(i)),
            examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}"),
        ],
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, to seven sellers by turns, a delivery between",
        lambda i: [
            examples.signed("contract", at(i), amended=True, seller=party_id(i % 7)),
            examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}"),
        ],
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each a hundredth over another asset, a delivery between",
        lambda i: [
            examples.signed("contract", at(i), amended=True, asset=f"asset-{i // 100}"),
            examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}"),
        ],
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each over another asset, a marked delivery between",
        lambda i: [
            examples.asset(f"asset-{i}", at(i), fields=[f"field-{i}"]),
            examples.signed("contract", at(i), amended=True, asset=f"asset-{i}", channel="filed"),
            examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}", watermark=f"mark-{i}", recipient=BUYER),
        ],
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract, each to another seller, a delivery between",
        lambda i: [
            examples.signed("contract", at(i), amended=True, seller=party_id(i)),
            examples.delivered("contract", at(i + 0.5), delivery=f"d-{i}"),
        ],
        [ASSET, _CONTRACT],
    ),
    Kind(
        "amendments of one contract that is to be paid, each to another seller, a settlement between",
        lambda i: [
            examples.signed(
                "contract", at(i), amended=True, seller=party_id(i), terms=examples.terms(pay_within_days=300)
            ),
            _settled(i),
        ],
        [ASSET, _PAYING],
    ),
    Kind(
        "amendments of one contract that allows resale, each to another buyer",
        lambda i: examples.signed(
            "contract", at(i), amended=True, buyer=party_id(i), terms=examples.terms(resale=True)
        ),
        [ASSET, examples.signed("contract", "2025-01-03", terms=examples.terms(resale=True))],
    ),
    Kind("contracts of one seller", lambda i: _signed(f"contract-{i}", i), [examples.party(SELLER)]),
    Kind(
        "contracts of one seller, a serious record between",
        lambda i: (
            [_signed(f"contract-{i}", i), record(i, tier="serious")] if i % 100 == 99 else _signed(f"contract-{i}", i)
        ),
        [examples.party(SELLER)],
        "of each contract a finding lists all records that are public then, up to 1,000",
    ),
    Kind(
        "contracts of members of one group",
        lambda i: [member(i), _signed(f"contract-{i}", i, seller=party_id(i), buyer=ABROAD)],
        [TOP],
    ),
)
