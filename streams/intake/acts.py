"""Events that are kept: a row each, what they name, and what is to be judged for them."""

from typing import Any, Final

from circulation.credit.statement import KINDS
from circulation.docket import docket_of, order_of
from circulation.events.event import Event
from circulation.events.names import (
    ASSET_ASSESSED,
    ASSET_DERIVED,
    ASSET_GRADED,
    ASSET_REGISTERED,
    ASSET_WITHDRAWN,
    ASSETS,
    CONTRACT_AMENDED,
    CONTRACT_SIGNED,
    CONTRACT_TERMINATED,
    EVENT_RETRACTED,
    GRANT_ISSUED,
    GRANT_REVOKED,
    OPENLINEAGE_RUN,
    PARTY_REGISTERED,
    PRODUCT_DELISTED,
    PRODUCT_LISTED,
    SETTLEMENT_PAID,
    SOURCE_HEARTBEAT,
)
from circulation.facts.statements import RECORDS
from circulation.keys import join_key
from circulation.lineage import stops
from circulation.openlineage.names import canonical
from circulation.rights import OPERATING
from circulation.shares import stated
from streams.facts.derivations import BY_FORM
from streams.facts.payments import BY, TO
from streams.facts.reports import AGAIN_AND_AGAIN, RECURRING, thing_of
from streams.intake.batch import Arrival, Batch
from streams.intake.desk import Desk
from streams.store import queue

# The kind of entity whose facts change when such an event comes, and of some what of them does.
FACT_OF: Final = {
    PARTY_REGISTERED: "party",
    GRANT_ISSUED: "grant",
    GRANT_REVOKED: "grant",
    **dict.fromkeys(RECORDS, "group"),
    ASSET_REGISTERED: "asset",
    ASSET_GRADED: "asset",
    ASSET_ASSESSED: "assessed",
    ASSET_DERIVED: "derived",
    ASSET_WITHDRAWN: "withdrawn",
    CONTRACT_SIGNED: "contract",
    CONTRACT_AMENDED: "contract",
    CONTRACT_TERMINATED: "contract",
}

# The offer of a seller changes with these.
OFFERS: Final = (PRODUCT_LISTED, PRODUCT_DELISTED)

# Names of an event besides its subject: (member of `data`, kind of entity).
NAMED: Final = (
    ("asset", "asset"),
    ("contract", "contract"),
    ("owner", "party"),
    ("seller", "party"),
    ("buyer", "party"),
    ("recipient", "party"),
    ("controller", "controller"),
    ("payer", "payer"),
    ("payee", "payee"),
)

# As `_named_by` has found it.
_NAMED_BY: Final[dict[type, tuple[tuple[str, str], ...]]] = {}

# In the place of what was taken back: there may be much of it, so it is looked up in `refs`.
LOOKED_UP: Final = ("", "", "")


def keep(batch: Batch, desk: Desk, arrival: Arrival) -> tuple[int, str, bool]:
    """Keep an event as a row, and queue what has to be judged; return its number, its act, and whether it is void.

    Taking back is another step: `retractions.take_back`.
    """
    event = arrival.event
    number = batch.number()
    void = is_void(batch, desk, event)
    thing = thing_of(event)
    batch.rows.append(_row(number, event, thing, 0 if void else None, batch.now))
    batch.known.came(number, event, thing, void=void)
    _name(batch, event, number)
    for asset in _named_assets(event):
        _link_forms(batch, asset, arrival.order)
    if event.type in RECURRING:
        _note_reporter(batch, desk, event)
    if event.type == EVENT_RETRACTED:
        return number, thing, False
    if void:
        if event.type in (ASSET_REGISTERED, ASSET_GRADED):
            # Its statement of a level may stand all the same.
            batch.queue(queue.fact("asset", event.subject), queue.LIVE, arrival.order)
        return number, thing, True
    batch.by_thing.setdefault(thing, []).append((number, event))
    if event.type == ASSET_DERIVED:
        data = event.data
        stopping = stops(data.process, data.irreversible, data.evidence)
        batch.known.forget_edges([event.subject])
        for source, share in stated((input_.asset, input_.share) for input_ in data.inputs).items():
            if source != event.subject:
                batch.edges.append((event.subject, source, f"event:{number}", event.time, stopping, share, False))
    alone = event.type in OFFERS and not desk.several
    touch(batch, event, thing, arrival.order, _begins(event), alone=alone)
    order = order_of(event)
    if order is not None and (docket := docket_of(event.subject)) is not None:
        batch.orders.append((docket, order))
        batch.queue(queue.case(docket), queue.LIVE, arrival.order)
    return number, thing, False


def touch(
    batch: Batch, event: Event, thing: str, order: int, begins: int | None = None, *, alone: bool = False
) -> None:
    """Queue what is to be judged for an event, and what its facts touch from the instant `begins` on.

    `alone` tells of a listing or delisting whether all that is reported again and again of the asset was reported by
    one reporter.
    """
    if event.type in batch.shapes.judged:
        batch.queue(thing, queue.LIVE, order, begins if event.type in AGAIN_AND_AGAIN else None)
    kind = FACT_OF.get(event.type)
    if kind is not None:
        batch.queue(queue.fact(kind, event.subject), queue.LIVE, order, begins)
    if event.type == SETTLEMENT_PAID:
        batch.queue(queue.fact("payment", thing), queue.LIVE, order)
    if event.type in OFFERS:
        # A better reporter's take the place of all earlier ones.
        since = begins if alone else None
        batch.queue(queue.fact("offered", event.subject), queue.LIVE, order, since)
    if event.type == OPENLINEAGE_RUN:
        batch.queue(queue.run(event.subject), queue.LIVE, order, begins)
    if (of_credit := KINDS.get(event.type)) is not None:
        batch.credit[event.subject, of_credit, getattr(event.data, of_credit)] = None
        batch.queue(queue.credit(event.subject), queue.LIVE, order)
    elif event.type == PARTY_REGISTERED:
        batch.queue(queue.credit(event.subject), queue.STATING, order)


def is_void(batch: Batch, desk: Desk, event: Event) -> bool:
    """Whether an event was taken back before it came."""
    if not desk.retracted:
        return False
    if (event.source, event.id, event.type) in desk.retracted:
        return True
    name = join_key(event.topic, event.subject, event.type, event.source, event.id)
    return LOOKED_UP in desk.retracted and (
        name in batch.retracted
        or batch.db.one("select 1 from refs where kind = 'retracted' and ref = ?", name) is not None
    )


def replace_heartbeat(batch: Batch, event: Event) -> bool:
    """Whether a heartbeat is the newest of its source; then the one that was is not kept any longer."""
    batch.write_rows()
    query = "topic = ? and subject = ? and type = ?"
    values = (event.topic, event.subject, SOURCE_HEARTBEAT)
    newer = f"select 1 from events where {query} and retracted is null and time >= ?"  # noqa: S608
    if batch.db.one(newer, *values, event.time):
        return False
    batch.db.run(f"delete from events where {query}", *values)  # noqa: S608
    batch.known.taken_back(event, thing_of(event))
    return True


def _row(number: int, event: Event, thing: str, retracted: int | None, taken_at: int) -> tuple[Any, ...]:
    return (
        number,
        event.topic,
        event.subject,
        event.type,
        thing,
        event.time,
        event.source,
        event.id,
        event.reporter,
        event.raw_data,
        retracted,
        taken_at,
    )


def _name(batch: Batch, event: Event, number: int) -> None:
    """Note what an event names."""
    for member, kind in _named_by(type(event.data)):
        named = getattr(event.data, member)
        if isinstance(named, str):
            batch.refs.append((kind, named, number, event.time if kind in (BY, TO) else None))
    if event.type == OPENLINEAGE_RUN:
        data = event.data
        more = (data.listed, data.whole, data.renamed, data.aliases)
        inputs = {*data.inputs, *(name for by_dataset in more for names in by_dataset.values() for name in names)}
        inputs.update(
            source.input for columns in data.columns.values() for sources in columns.values() for source in sources
        )
        batch.refs += [("input", asset, number, None) for asset in sorted(inputs)]
        batch.refs += [("output", asset, number, None) for asset in sorted({*data.outputs, *data.listed})]
    elif event.type == ASSET_DERIVED:
        batch.refs += [("input", input_.asset, number, None) for input_ in event.data.inputs]


def _named_by(data: type) -> tuple[tuple[str, str], ...]:
    """Return which of `NAMED` data of a type may have."""
    members = _NAMED_BY.get(data)
    if members is None:
        members = _NAMED_BY[data] = tuple(pair for pair in NAMED if hasattr(data, pair[0]))
    return members


def _named_assets(event: Event) -> list[str]:
    """The assets that a CloudEvent names, as it spells them."""
    if event.type == OPENLINEAGE_RUN:
        return []
    assets = [event.subject] if event.topic == ASSETS else []
    if (named := getattr(event.data, "asset", None)) is not None:
        assets.append(named)
    if event.type == ASSET_DERIVED:
        assets += [input_.asset for input_ in event.data.inputs]
    return assets


def _link_forms(batch: Batch, asset: str, order: int) -> None:
    """Derive an id that is no canonical one from the canonical one, and that from it: they are two names of one thing.

    That holds whenever either was first named, so all that looks at them is judged again when it is first known.
    """
    if (form := canonical(asset)) == asset or asset in batch.forms:
        return
    batch.forms.add(asset)
    if batch.db.one("select 1 from derivations where output = ? and origin = ?", asset, BY_FORM):
        return
    for output, input_ in ((asset, form), (form, asset)):
        batch.edges.append((output, input_, BY_FORM, 0, False, None, True))
        batch.queue(queue.fact("asset", output), queue.LIVE, order)
    batch.known.forget_edges([asset, form])


def _note_reporter(batch: Batch, desk: Desk, event: Event) -> None:
    """Note who reports such acts of an asset; at the first time also who did before that was noted."""
    if not desk.reporters:
        query = "select distinct reporter from events where topic = ? and subject = ? and type = any(?)"
        for (reporter,) in batch.db.rows(query, event.topic, event.subject, sorted(RECURRING)):
            desk.reporters |= 1 << reporter
    desk.reporters |= 1 << event.reporter


def _begins(event: Event) -> int | None:
    """From when on a statement may change what is known, as far as it tells by itself; None where it does not.

    A rule that asks what holds in a sandbox asks what comes later, too; and so does one that asks when a right to sell
    ends, which a grant of it for all assets tells of none by itself, and a revocation of neither.
    """
    if event.type == GRANT_REVOKED:
        return None
    kind = getattr(event.data, "kind", None)
    whole = event.type == GRANT_ISSUED and kind == OPERATING and event.data.assets is None
    return None if kind == "sandbox" or whole else event.time
