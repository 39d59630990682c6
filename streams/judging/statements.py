"""States the credit of parties: sends what is not as it was sent before."""

import hashlib
from collections.abc import Sequence

import orjson

from circulation.credit.sending import fitting
from circulation.credit.statement import LISTS, NEVER, header
from circulation.events.names import CREDIT, CREDIT_STATED, JOURNAL
from streams.judging import credit_lines
from streams.judging.round import Round
from streams.store import queue, schema
from streams.store.outbox import Message, canonical, cloudevent, post


def state(round_: Round, things: Sequence[str]) -> None:
    """Fold what changed of the credit of parties; send the statements that did, and write when time changes them."""
    db, now, packs = round_.db, round_.now, round_.packs
    parties = [queue.rest_of(thing) for thing in things]
    settings = packs.credit(now)
    states = credit_lines.refresh(db, parties, now, settings, round_.known.event)
    for party, credit_state in states.items():
        # a finding that this clears or raises brings an item of its own
        round_.changes += round_.book.uphold(db, party, credit_state.was_upheld, credit_state.upheld, now)
    later = [span.start for span in packs.spans() if span.start is not None and span.start > now]
    deadlines = []
    for party, credit_state in states.items():
        # deadlines are taken once the clock is past them
        if (due := min([*later, credit_state.until])) < NEVER:
            deadlines.append((queue.credit(party), due - 1))
    changed = {party: credit_state for party, credit_state in states.items() if credit_state.changed}
    old = dict(db.rows("select party, data from statements where party = any(?)", list(changed))) if changed else {}
    rows = []
    messages: list[Message] = []
    for party, lists in credit_lines.lists(db, changed, round_.known.stated).items():
        sums = states[party].sums
        members = header(party, now, sums, settings)
        counts = {LISTS[kind]: sum_.lines for kind, sum_ in sums.items()}
        # Of who answers for thousands of findings this is a megabyte: it is written out as seldom as can be.
        data = canonical(fitting(members, {LISTS[kind]: lines for kind, lines in lists.items()}, counts))
        if party in old and _but_for_as_of(bytes(old[party])) == _but_for_as_of(data):
            continue
        rows.append((party, now, members["score"], members["grade"], data))
        message = cloudevent(
            CREDIT,
            party,
            type_=CREDIT_STATED,
            source="/circulation/credit",
            id_=hashlib.blake2b(data, digest_size=16).hexdigest(),
            time=now,
            data=orjson.Fragment(data),
        )
        messages += [message, message._replace(topic=JOURNAL)]
    db.run("delete from deadlines where thing = any(?)", list(things))
    db.many(schema.deadlines, deadlines)
    db.many(schema.statements, rows, "upsert")
    post(db, messages)
    round_.stated += len(rows)


def _but_for_as_of(data: bytes) -> bytes:
    """A statement as it is kept without its first member, which is `as_of`."""
    return data[data.index(b",") :]
