"""The metrics: declared once, documented, and bounded in their labels."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

import detectors
from circulation.admission.reasons import Reason
from circulation.events.types import TYPES
from dashboards.rules import ALERTS, RECORDINGS
from streams.worker.counts import Counts
from streams.worker.metrics import METRICS, OTHER, STAGES
from streams.worker.registry import Metrics

DOCUMENTED = re.compile(r"^\| `(circulation_\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
NOW = 1_800_000_000_000_000
EMPTY = Counts({}, {}, {}, {}, {}, {}, {}, None, None, 0, None, 0, 0, None, 0, {})
PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry(), detectors=detectors.RULES, reasons=Reason)


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def families(metrics: Metrics) -> dict[str, str]:
    body, _ = metrics.exposition()
    return {one.name: one.type for one in text_string_to_metric_families(body.decode())}


def test_every_metric_is_documented_and_every_documented_one_exists() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels)), meaning)
        for name, kind, labels, meaning in DOCUMENTED.findall(page)
    }
    assert {one.name: (one.kind, one.labels, one.meaning) for one in METRICS.values()} == found, (
        "docs/metrics.md has a line for each metric, word for word"
    )
    told = set(re.findall(r"`(circulation_\w+)`", page))
    assert set(METRICS) == told


def test_what_is_exposed_is_what_is_declared(metrics: Metrics) -> None:
    declared = {name.removesuffix("_total"): one.kind for name, one in METRICS.items()}
    assert declared == families(metrics), "streams/worker/registry.py: each of METRICS has a member of Metrics"


def test_names_say_their_unit_or_that_they_are_totals() -> None:
    for one in METRICS.values():
        assert one.name.startswith("circulation_")
        assert (one.kind == "counter") == one.name.endswith("_total")
        assert (one.kind == "histogram") == bool(one.buckets)
        assert list(one.buckets) == sorted(set(one.buckets))


def test_two_processes_worth_of_metrics_do_not_meet(metrics: Metrics) -> None:
    other = Metrics(CollectorRegistry())
    metrics.outbox.set(3)
    assert (3, 0) == (sample(metrics, "circulation_outbox_messages"), sample(other, "circulation_outbox_messages"))


def test_events_are_counted_by_topic_type_and_outcome(metrics: Metrics) -> None:
    metrics.took("circulation.contracts", {"circulation.usage.reported": 40_000}, duplicates=2)
    metrics.took("circulation.contracts", {"circulation.usage.reported": 1})
    taken = {"topic": "circulation.contracts", "type": "circulation.usage.reported", "outcome": "taken"}
    again = {"topic": "circulation.contracts", "type": OTHER, "outcome": "duplicate"}
    assert 40_001 == sample(metrics, "circulation_events_total", **taken)
    assert 2 == sample(metrics, "circulation_events_total", **again)


def test_what_nobody_knows_is_counted_under_other(metrics: Metrics) -> None:
    for number in range(1_000):
        metrics.took(f"topic-{number}", {f"type-{number}": 1})
        metrics.rejected({f"reason-{number}": 1})
    assert 1_000 == sample(metrics, "circulation_events_total", topic=OTHER, type=OTHER, outcome="taken")
    assert 1_000 == sample(metrics, "circulation_rejected_total", reason=OTHER)


def test_every_event_type_and_an_openlineage_run_have_their_own_series(metrics: Metrics) -> None:
    for type_ in (*TYPES, "openlineage.run"):
        metrics.took("circulation.assets", {type_: 1})
        labels = {"topic": "circulation.assets", "type": type_, "outcome": "taken"}
        assert 1 == sample(metrics, "circulation_events_total", **labels)


def test_reasons_detectors_and_stages_are_there_before_the_first_count(metrics: Metrics) -> None:
    for reason in Reason:
        assert 0 == sample(metrics, "circulation_rejected_total", reason=str(reason))
    for detector in detectors.RULES:
        assert 0 == sample(metrics, "circulation_detector_errors_total", detector=detector)
    for stage in STAGES:
        assert 0 == sample(metrics, "circulation_stage_seconds_count", stage=stage)


def test_findings_are_counted_by_what_happened_to_them(metrics: Metrics) -> None:
    metrics.changed("usage-limit", "red", "enforce", raised=True)
    metrics.changed("usage-limit", "red", "enforce", raised=False)
    labels = {"detector": "usage-limit", "severity": "red", "mode": "enforce"}
    for change in ("raised", "cleared"):
        assert 1 == sample(metrics, "circulation_findings_total", **labels, change=change)


def test_only_the_pack_in_force_is_named(metrics: Metrics) -> None:
    metrics.in_force("beijing", "1", "aa")
    metrics.in_force("beijing", "2", "bb")
    assert sample(metrics, "circulation_pack_info", pack="beijing", version="1", digest="aa") is None
    assert 1 == sample(metrics, "circulation_pack_info", pack="beijing", version="2", digest="bb")


def test_every_alert_and_recording_is_documented_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^\| `(\w+)` \| (page|ticket) \| (\w+) \|", page, re.MULTILINE)
    assert [(one.name, one.severity, one.lasts) for one in ALERTS] == found
    assert {one.name for one in RECORDINGS} == set(re.findall(r"`([\w]*:[\w:]*)`", page))


def test_a_partition_that_was_given_away_is_no_longer_named(metrics: Metrics) -> None:
    metrics.lags({("circulation.contracts", 0): 3, ("circulation.contracts", 1): 0})
    metrics.lags({("circulation.contracts", 1): 2})
    found = [sample(metrics, "circulation_lag_records", topic="circulation.contracts", partition=p) for p in "01"]
    assert [None, 2] == found


def test_what_no_longer_stands_is_nought_and_not_gone(metrics: Metrics) -> None:
    labels = {"detector": "usage-limit", "severity": "red", "mode": "enforce"}
    assert sample(metrics, "circulation_findings_standing", **labels) is None
    for number in (2, 0):
        standing = {tuple(labels.values()): number} if number else {}
        metrics.counted(EMPTY._replace(standing=standing), NOW, NOW)
        assert number == sample(metrics, "circulation_findings_standing", **labels)


@pytest.mark.parametrize(("since", "seconds"), [(None, 0), (NOW, 0), (NOW + 1, 0), (NOW - 1_500_000, 1.5)])
def test_the_age_of_the_oldest_is_nought_where_nothing_waits(
    metrics: Metrics, since: int | None, seconds: float
) -> None:
    metrics.counted(EMPTY._replace(queue_since=since, outbox_since=since, due_since=since), NOW, NOW)
    for name in ("judge_queue_oldest", "outbox_oldest", "deadlines_oldest_due"):
        assert seconds == sample(metrics, f"circulation_{name}_seconds")


def test_deadlines_go_by_a_clock_of_their_own(metrics: Metrics) -> None:
    metrics.counted(EMPTY._replace(outbox_since=NOW - 5_000_000, due_since=3_000_000), NOW, 10_000_000)
    assert 5 == sample(metrics, "circulation_outbox_oldest_seconds")
    assert 7 == sample(metrics, "circulation_deadlines_oldest_due_seconds")
