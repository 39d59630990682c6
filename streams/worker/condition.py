"""How a worker is, put together from its rooms: what /ready, /health and /metrics answer, and its row in the store."""

from dataclasses import dataclass
from typing import Any, Final

from circulation.calendar import day_of
from circulation.words import many
from circulation.working_days import unknown_year
from streams.engine import Engine
from streams.feeds.homing import Homing
from streams.feeds.retention import Retention
from streams.health.clock import Clock
from streams.health.readiness import State, document, reasons
from streams.settings import Settings
from streams.topics import TOPICS_IN
from streams.wire.reader import Reader
from streams.worker.assignment import Assignment
from streams.worker.faults import Faults
from streams.worker.gauges import Gauges
from streams.worker.judge import WorkersJudge
from streams.worker.life import Life
from streams.worker.membership import Membership
from streams.worker.meter import Meter
from streams.worker.partitions import PartitionWatch
from streams.worker.pulling import Pulling
from streams.worker.pulse import Pulse
from streams.worker.sending import Sending
from streams.worker.watch import Watch

# A worker that leaves its group joins again within two and a half times CIRCULATION_STALL_SECONDS
# (`fetches.REJOIN_CYCLE`); one that is not back after so many of them never will be.
OUT_OF_GROUP_STALLS_MAX: Final = 4


@dataclass(frozen=True, kw_only=True)
class Condition:
    """The rooms of one worker, asked how they are. It changes nothing but the metrics that say so."""

    settings: Settings
    engine: Engine
    reader: Reader
    homing: Homing
    clock: Clock
    life: Life
    faults: Faults
    meter: Meter
    sending: Sending
    judge: WorkersJudge
    assignment: Assignment
    pulling: Pulling
    membership: Membership
    retention: Retention
    gauges: Gauges
    partitions: PartitionWatch
    watch: Watch
    store_pulse: Pulse
    kafka_pulse: Pulse

    def exposition(self) -> tuple[bytes, str]:
        """The answer of /metrics."""
        state = self.readiness()
        metrics = self.meter.metrics
        metrics.store_up.set(state["store"])
        metrics.broker_up.set(state["broker"])
        metrics.ready.set(state["ready"])
        stopped = [topic for topic, _ in self.partitions.unread]
        for topic in TOPICS_IN:
            metrics.stopped.labels(topic).set(stopped.count(topic))
        return metrics.exposition()

    def readiness(self) -> dict[str, Any]:
        """The answer of /ready."""
        return document(
            self._state(), warnings=self._warnings(), pack=self.engine.rulebook().in_force(self.clock.now()).digest
        )

    def sentences(self) -> tuple[list[str], list[str]]:
        """Its row in the store, as /ready has it: why it is not ready, and its warnings."""
        return reasons(self._state()), self._warnings()

    def health(self) -> dict[str, Any]:
        """The answer of /health: alive unless only a restart helps."""
        why = [f"its thread {name!r} has ended" for name in self.life.ended()]
        if not self.membership.coordinated:
            why.append("nobody keeps its membership of the group any more")
        stall = self.settings.stall_seconds
        if (out := self.membership.out_seconds) > OUT_OF_GROUP_STALLS_MAX * stall:
            why.append(f"it has been no member of its group for {out:.0f} s, though store and Kafka answer")
        if self.pulling.seconds > stall:
            why.append(f"its reader hangs for more than {stall} s")
        if self.judge.hangs:
            why.append(f"its judge hangs for more than {stall} s")
        return {"alive": not why or self.life.stop.is_set(), "reasons": why}

    def _state(self) -> State:
        clock, now = self.clock, self.clock.now()
        unread = sorted({**self.partitions.unread, **self.homing.held}.items())
        live_since = self.gauges.live_since
        return State(
            assigned=len(self.assignment.positions),
            member=self.membership.member,
            store=self.faults.store_up,
            broker=self.reader.broker_up,
            sending=self.sending.error,
            lag=self.gauges.lag,
            delay=self.gauges.delay,
            held=self.reader.held,
            open_transactions=[f"{topic}[{partition}]" for topic, partition in self.partitions.open],
            stopped=[{"topic": t, "partition": p, "why": why} for (t, p), why in unread],
            judge_silent=self.judge.silent,
            judge_waits=0.0 if live_since is None else max(0, now - live_since) / 1_000_000,
            outbox_waits=self.gauges.outbox_waits,
            outbox_closed=self.sending.closed,
            outbox_set_aside=self.gauges.unsent,
            clock_trusted=clock.trusted,
            clock_skews={name: skew / 1_000_000 for name, skew in clock.skews().items()},
            clock_doubts=clock.doubts(),
            clock_unbounded=clock.unbounded(),
            failing=self.faults.now(),
            watch_silent=self.watch.silent,
            strangers=self.membership.strangers,
            store_silent=self.store_pulse.silent,
            broker_silent=self.kafka_pulse.silent,
        )

    def _warnings(self) -> list[str]:
        warnings = list(self.clock.warnings())
        if self.settings.sources is None:
            warnings.append("CIRCULATION_SOURCES is not set: any source may say anything")
        now = self.clock.now()
        packs = self.engine.rulebook()
        in_force = packs.in_force(now)
        if in_force.pack != (name := self.engine.rulebook.name):
            warnings.append(
                f"no pack {name!r} (CIRCULATION_PACK) is in force, and so the shipped {in_force.pack!r} is:"
                " `circulation rules publish` publishes one"
            )
        if (year := unknown_year(day_of(now), packs.decisions.calendar.lists)) is not None:
            warnings.append(
                f"the working days of {year} are not known: deadlines in working days that reach into it wait for"
                " a pack with its `holidays` and `workdays` under `credit-clock`, or for a newer program"
            )
        warnings += [
            f"{topic}[{partition}] begins at offset {low}: what was there before is not in this store"
            for (topic, partition), low in sorted(self.assignment.begun_late.items())
        ]
        warnings += [f"{topic} takes nothing: {why}" for topic, why in self.sending.closed.items()]
        if unsent := self.gauges.unsent:
            warnings.append(f"{many(unsent, 'message')} could not be sent: circulation outbox list says why")
        if aside := self.gauges.aside:
            are = many(aside, "item is", "items are")
            warnings.append(f"{are} set aside and not judged: `circulation queue list` names what they are")
        return [*warnings, *self.retention.warnings, *self.meter.held.values()]
