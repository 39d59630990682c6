"""Whether a worker watches, and why not: what `/ready` and `/health` answer. Pure: the worker says how things are."""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from circulation.events.names import CLOCK, RULES
from streams.log import without_numbers

# A worker that is further behind than this says that it does not keep up: with its partitions, with what is to be
# judged first, with what is to be sent.
DELAY_SECONDS_MAX: Final = 60.0
# A judge that says nothing for so long hangs; it tells of itself every second.
JUDGE_SILENT_SECONDS_MAX: Final = 10.0
# Why a partition is not read, where not records are missing: its topic, or it is the turn of others.
NOT_THERE: Final = "the topic is not there"
READ_FIRST: Final = "those are read first"
MADE_ANEW: Final = "the topic was made anew: its records are others"
PUT_BACK: Final = "Kafka was put back to an earlier state and written anew: its records are others"
# Where that is so of all topics at once.
ELSEWHERE: Final = (
    "all topics were made anew, or CIRCULATION_KAFKA names another Kafka than this store was filled from: see which"
    " before `circulation feed resume`"
)
# Within why a partition is not read that its topic, which was made anew, has no more.
FEWER: Final = ", the store read "
# A repeated failure is logged this often; its time is kept for so many operations at most.
LOG_SECONDS: Final = 60.0
LOGGED_MAX: Final = 1_000
# So many members or partitions are named in a sentence.
NAMED_MAX: Final = 5
# Store and Kafka are asked every second whether they answer; one that did not for so long is said to be away.
ANSWER_SECONDS_MAX: Final = 5.0
# A worker polls every few seconds; an answer this old is reported as stale.
WATCH_SILENT_SECONDS_MAX: Final = 20.0
_PLACES: Final = re.compile(r"([a-z.]+)\[([0-9]+(?:(?:-|, )[0-9]+)*)\]")
_GOES_ON: Final = "; the worker goes on by itself"
STORE_AWAY: Final = f"the store does not answer: see that what CIRCULATION_STORE names is up{_GOES_ON}"
KAFKA_AWAY: Final = f"Kafka does not answer: see that what CIRCULATION_KAFKA names is up{_GOES_ON}"


class State(NamedTuple):
    """How a worker is. Times are seconds; `failing` is what fails now, by what was tried.

    `member` tells whether it is a member of its group whose partitions do not change hands; `held`, whether uses
    wait until the packs are read; `open_transactions`, the partitions that are not read on since one is open there;
    `judge_silent`, since when the judge has told nothing of itself; `judge_waits` and `outbox_waits`, how long the
    oldest of what is to be judged first, and of what is to be sent, has waited; `outbox_closed`, the topics that
    take nothing, and why; `outbox_set_aside`, how many messages were refused for good; `clock_unbounded`, why no other
    clock tells whether its own is right; `watch_silent`, since when it has not looked at store and Kafka; `strangers`,
    the members of its group that are no workers of its store; `store_silent` and `broker_silent`, since when each of
    the two has not answered.
    """

    assigned: int
    member: bool
    store: bool
    broker: bool
    sending: str
    lag: int
    delay: float
    held: bool
    open_transactions: Sequence[str]
    stopped: Sequence[Mapping[str, Any]]
    judge_silent: float
    judge_waits: float
    outbox_waits: float
    outbox_closed: Mapping[str, str]
    outbox_set_aside: int
    clock_trusted: bool
    clock_skews: Mapping[str, float]
    clock_doubts: Sequence[str]
    clock_unbounded: str
    failing: Mapping[str, str]
    watch_silent: float
    strangers: Sequence[str]
    store_silent: float
    broker_silent: float

    @property
    def store_answers(self) -> bool:
        """Whether the store is there, by what was tried with it and by its last answer."""
        return self.store and self.store_silent <= ANSWER_SECONDS_MAX

    @property
    def broker_answers(self) -> bool:
        """Whether Kafka is there, as of the store."""
        return self.broker and self.broker_silent <= ANSWER_SECONDS_MAX


def reasons(state: State) -> list[str]:
    """Why the worker does not watch all that it should, and what to do about it, in sentences; empty where it does."""
    sentences = []
    if not state.member:
        sentences.append(
            "it is no member of its group, or partitions change hands: that takes seconds; where it lasts, `circulation"
            " status` shows the group; where it lasts for minutes, or /health says no, start the worker again"
        )
    elif not state.assigned:
        sentences.append(
            "it has no partitions: there are more workers than partitions (`circulation topics grow --partitions"
            " NUMBER` makes more), or the topics are not there (`circulation topics create` makes them), or were made"
            " anew (Kafka tells its clients of them within minutes)"
        )
    if state.watch_silent > WATCH_SILENT_SECONDS_MAX:
        sentences.append(
            f"it has not seen for {state.watch_silent:.0f} s how far its partitions are: store or Kafka keep it waiting"
            " (on PostgreSQL see pg_locks: somebody may have locked a table)"
        )
    if state.strangers:
        sentences.append(strange(state.strangers))
    if not state.store_answers:
        sentences.append(STORE_AWAY)
    if not state.broker_answers:
        sentences.append(KAFKA_AWAY)
    if state.sending:
        sentences.append(f"what was found cannot be sent: {state.sending}; it waits in the outbox until Kafka takes it")
    if state.held:
        sentences.append(
            f"uses wait until the rule packs are read: `circulation feed list` shows where {RULES} is read, and by what"
            " it is held up"
        )
    sentences += [
        f"{partition} waits for a transaction that is open: what was sent there after it is not read until its producer"
        " ends it, or somebody does so with Kafka's kafka-transactions.sh (find-hanging, abort)"
        for partition in state.open_transactions
    ]
    anew = [partition["why"] == MADE_ANEW or FEWER in partition["why"] for partition in state.stopped]
    if not state.assigned and anew and all(anew):
        sentences.append(ELSEWHERE)
    sentences += unread({(partition["topic"], partition["partition"]): partition["why"] for partition in state.stopped})
    if state.delay > DELAY_SECONDS_MAX:
        sentences.append(
            f"it is {state.delay:.0f} s behind what Kafka has: `circulation status` shows with which partitions; on"
            " PostgreSQL another worker takes its share"
        )
    if state.judge_silent > JUDGE_SILENT_SECONDS_MAX:
        sentences.append(
            f"the judge has said nothing for {state.judge_silent:.0f} s: one that is a process is started again after"
            " CIRCULATION_STALL_SECONDS; where /health says no, start the worker again"
        )
    if state.judge_waits > DELAY_SECONDS_MAX:
        sentences.append(
            f"what is to be judged waits for {state.judge_waits:.0f} s: on PostgreSQL another worker takes its share;"
            " `circulation queue list` shows what costs too much"
        )
    if state.outbox_waits > DELAY_SECONDS_MAX:
        sentences.append(
            f"what is to be sent waits for {state.outbox_waits:.0f} s: see that Kafka takes it (`circulation topics"
            " check`), and what it refused (`circulation outbox list`)"
        )
    if state.clock_unbounded and state.broker_answers:
        sentences.append(
            "no clock but this machine's is known, so that nobody would notice if it were wrong:"
            f" {state.clock_unbounded} (`circulation topics create` makes {CLOCK}, with --apply also sets one right"
            " that is there; with CIRCULATION_CLOCK=events none is needed)"
        )
    if not state.clock_trusted:
        doubts = state.clock_doubts or ["the clocks of the broker and the database are not known yet"]
        sentences += [f"{doubt}: deadlines and pruning wait until the clocks agree (NTP sets them)" for doubt in doubts]
    sentences += [
        f"{doing}: {why}; it is tried again by itself, and the log says more" for doing, why in state.failing.items()
    ]
    return sentences


def unread(stopped: Mapping[tuple[str, int], str]) -> list[str]:
    """Why partitions are not read, and by what they go on: nobody skips records but a person. Those of one cause are
    told of in one sentence."""
    causes: dict[str, dict[tuple[str, int], str]] = {}
    for tp, why in sorted(stopped.items()):
        causes.setdefault(without_numbers(why), {})[tp] = why
    return [_unread(partitions) for partitions in causes.values()]


def _unread(partitions: Mapping[tuple[str, int], str]) -> str:
    topics = {topic for topic, _ in partitions}
    (topic, partition), why = next(iter(partitions.items()))
    alone = len(partitions) == 1
    sentence = f"{places(partitions)} {'is' if alone else 'are'} not read: {why}"
    if len(set(partitions.values())) > 1:
        sentence += f" (so {topic}[{partition}], and the others alike)"
    if why == NOT_THERE:
        return f"{sentence}; `circulation topics create` makes {'it' if alone else 'them'}"
    if why.endswith(READ_FIRST):
        return f"{sentence}; {'it goes' if alone else 'they go'} on by {'itself' if alone else 'themselves'}"
    by = "--from earliest --by NAME --note WHY"
    left = f"{sentence}; `circulation feed list` shows what is left, and `circulation feed resume"
    if alone:
        does = "closes it" if FEWER in why else "goes on from there"
        return f"{left} {topic} {partition} {by}` {does} (with --all in place of the two: every such partition)"
    does = "closes them" if FEWER in why else "goes on with them from there"
    options = f"{topic} --all" if len(topics) == 1 else "--all"
    return f"{left} {options} {by}` {does} (every partition{' of it' if len(topics) == 1 else ''} that is not read)"


def places(partitions: Iterable[tuple[str, int]]) -> str:
    """Partitions as people read them: of each topic its numbers, and those in a row by the first and the last."""
    numbers: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        numbers.setdefault(topic, []).append(partition)
    return ", ".join(f"{topic}[{', '.join(_rows(partitions))}]" for topic, partitions in numbers.items())


def _rows(numbers: Sequence[int]) -> Iterator[str]:
    """Rising numbers, those that follow each other as `first-last`."""
    for _, row in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        first, *_, last = [number for _, number in row] * 2
        yield str(first) if first == last else f"{first}-{last}"


def partitions_of(sentence: str) -> set[tuple[str, int]]:
    """The partitions of which a sentence of `unread` tells; none where it is another one."""
    head, is_one, _ = sentence.partition(" not read: ")
    partitions = set()
    for topic, rows in _PLACES.findall(head) if is_one else ():
        for row in rows.split(", "):
            first, _, last = row.partition("-")
            partitions |= {(topic, partition) for partition in range(int(first), int(last or first) + 1)}
    return partitions


def strange(members: Sequence[str]) -> str:
    """Why members of a group that are no workers of the store take records away, and what to do about it."""
    more = f" and {len(members) - NAMED_MAX} more" if len(members) > NAMED_MAX else ""
    return (
        f"its group has members that are no workers of this store: {', '.join(members[:NAMED_MAX])}{more}; they take in"
        " a part of the records. Another store has the same id, as a copy of its file or database has: stop those."
        " `circulation backup OUT/` and `circulation restore OUT/` make a copy with an id of its own"
    )


def document(state: State, *, warnings: Sequence[str], pack: str) -> dict[str, Any]:
    """The answer of `/ready`: ready where there is no reason against it."""
    why = reasons(state)
    return {
        "ready": not why,
        "reasons": why,
        "assigned": state.assigned,
        "member": state.member,
        "store": state.store_answers,
        "broker": state.broker_answers and not state.sending,
        "lag": state.lag,
        "delay_seconds": round(state.delay, 1),
        "keeps_up": state.delay <= DELAY_SECONDS_MAX,
        "stopped": list(state.stopped),
        "judge": {"silent_seconds": round(state.judge_silent, 1), "waits_seconds": round(state.judge_waits, 1)},
        "outbox": {
            "waits_seconds": round(state.outbox_waits, 1),
            "stuck": state.outbox_waits > DELAY_SECONDS_MAX,
            "held": dict(state.outbox_closed),
            "set_aside": state.outbox_set_aside,
        },
        "clock": {
            "trusted": state.clock_trusted,
            "skew_seconds": {name: round(skew, 3) for name, skew in sorted(state.clock_skews.items())},
        },
        "failing": "; ".join(f"{doing}: {why}" for doing, why in state.failing.items()),
        "warnings": list(warnings),
        "pack": pack,
    }


class Failing:
    """The errors by operation, each until the operation succeeds once."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._logged: dict[tuple[str, str], float] = {}

    def failed(self, doing: str, error: BaseException, now: float) -> bool:
        """Take note of a failure at `now` (seconds of a clock that only goes on); whether it is time to log it.

        A new reason is logged at once.
        """
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        self._texts[doing] = text
        cause = (doing, without_numbers(text))
        if now - self._logged.get(cause, -LOG_SECONDS) < LOG_SECONDS:
            return False
        if len(self._logged) > LOGGED_MAX:
            self._logged.clear()
        self._logged[cause] = now
        return True

    def done(self, *doings: str) -> None:
        """Take note that these were done."""
        for doing in doings:
            self._texts.pop(doing, None)

    def now(self) -> dict[str, str]:
        """The errors by operation."""
        return dict(self._texts)
