"""The house style: panels and queries, so that all dashboards look, read and are tested alike.

Queries name metric objects, not strings: a metric that is renamed, or a label that it lost, breaks the import of a
dashboard and not the night. Every panel must have a description. Data sources go by the fixed uids that are
provisioned with the dashboards.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from grafanalib import core as grafana
from grafanalib._gen import DashboardEncoder

from streams.metrics import Metric

PROMETHEUS: Final = {"type": "prometheus", "uid": "circulation-prometheus"}
POSTGRES: Final = {"type": "grafana-postgresql-datasource", "uid": "circulation-postgres"}

COLOURS: Final = {"blue": "blue", "yellow": "yellow", "orange": "orange", "red": "red"}
WIDTH: Final = 24
HEIGHT: Final = 8


def _check(metric: Metric, labels: Iterable[str]) -> None:
    if unknown := set(labels) - set(metric.labels):
        raise ValueError(f"{metric.name} has no label {', '.join(sorted(unknown))}")


def select(metric: Metric, suffix: str = "", /, **labels: str) -> str:
    """A selector of a metric: `circulation_events_total{outcome="taken"}`. Labels that it has not are refused.

    `suffix` names a series of a histogram: `_bucket`, `_sum` or `_count`.
    """
    _check(metric, labels)
    if bool(suffix) != (metric.kind == "histogram"):
        raise ValueError(f"{metric.name} is a {metric.kind}: a histogram, and nothing else, is asked for by a suffix")
    inside = ",".join(f'{name}="{value}"' for name, value in labels.items())
    return f"{metric.name}{suffix}" + (f"{{{inside}}}" if inside else "")


def over(how: str, metric: Metric, *by: str, window: str = "", **labels: str) -> str:
    """An aggregate over workers: `max by (severity) (…)`; with a `window` of the rate."""
    _check(metric, by)
    inner = select(metric, **labels)
    if window:
        inner = f"rate({inner}[{window}])"
    return f"{how} by ({', '.join(by)}) ({inner})" if by else f"{how}({inner})"


def shared(metric: Metric, *by: str, **labels: str) -> str:
    """A gauge of the store, which every worker reports alike: of workers the maximum, of other labels the sum."""
    _check(metric, by)
    each = over("max", metric, *metric.labels, **labels)
    return f"sum by ({', '.join(by)}) ({each})" if by else f"sum({each})"


def quantile(metric: Metric, share: float, window: str, *by: str) -> str:
    """A quantile of a histogram over all workers."""
    _check(metric, by)
    labels = ", ".join(("le", *by))
    return f"histogram_quantile({share}, sum by ({labels}) (rate({select(metric, '_bucket')}[{window}])))"


def _targets(queries: Sequence[tuple[str, str]], *, instant: bool) -> list[Any]:
    return [
        grafana.Target(expr=expr, legendFormat=legend, refId=chr(ord("A") + at), instant=instant, datasource=PROMETHEUS)
        for at, (legend, expr) in enumerate(queries)
    ]


class Panel:
    """A panel of grafanalib whose JSON gets what grafanalib does not know of."""

    def __init__(self, panel: Any, more: dict[str, Any]) -> None:
        self.panel = panel
        self._more = more

    def json(self, id_: int, place: dict[str, int]) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        data: dict[str, Any] = self.panel.to_json_data()
        data["targets"] = [one.to_json_data() for one in self.panel.targets]
        defaults = data.setdefault("fieldConfig", {}).setdefault("defaults", {})
        defaults.update(self._more)
        return data | {"id": id_, "gridPos": place}


def _severities() -> list[dict[str, Any]]:
    """Series that are named after a severity have its colour."""
    return [
        {
            "matcher": {"id": "byName", "options": severity},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": colour}}],
        }
        for severity, colour in COLOURS.items()
    ]


def stat(
    title: str, description: str, *queries: tuple[str, str], unit: str = "short", bad_from: float | None = None
) -> Panel:
    """Numbers as they are now; red from `bad_from` on."""
    steps: list[dict[str, Any]] = [{"color": "green" if bad_from is not None else "text", "value": None}]
    if bad_from is not None:
        steps.append({"color": "red", "value": bad_from})
    panel = grafana.Stat(
        title=title,
        description=description,
        dataSource=PROMETHEUS,
        targets=_targets(queries, instant=True),
        reduceCalc="lastNotNull",
        format=unit,
        graphMode="none",
        overrides=_severities(),
    )
    return Panel(panel, {"thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"}})


def trend(title: str, description: str, *queries: tuple[str, str], unit: str = "short", stacked: bool = False) -> Panel:
    """Lines over time, from Prometheus."""
    panel = grafana.TimeSeries(
        title=title,
        description=description,
        dataSource=PROMETHEUS,
        targets=_targets(queries, instant=False),
        unit=unit,
        valueMin=0,
        fillOpacity=10,
        showPoints="never",
        stacking={"mode": "normal", "group": "A"} if stacked else {},
        tooltipMode="multi",
        overrides=_severities(),
    )
    return Panel(panel, {})


def _sql(query: str, form: str) -> list[Any]:
    text = " ".join(query.split())
    return [grafana.SqlTarget(rawSql=text, format=form, refId="A", datasource=POSTGRES)]


def table(title: str, description: str, query: str) -> Panel:
    """Rows of the store."""
    panel = grafana.Table(
        title=title,
        description=description,
        dataSource=POSTGRES,
        targets=_sql(query, "table"),
        filterable=True,
        colorMode="fixed",
        overrides=[
            {
                "matcher": {"id": "byName", "options": "severity"},
                "properties": [
                    {"id": "custom.cellOptions", "value": {"type": "color-text"}},
                    {
                        "id": "mappings",
                        "value": [
                            {
                                "type": "value",
                                "options": {
                                    severity: {"color": colour, "index": at, "text": severity}
                                    for at, (severity, colour) in enumerate(COLOURS.items())
                                },
                            }
                        ],
                    },
                ],
            }
        ],
    )
    return Panel(panel, {})


def history(title: str, description: str, query: str, *, unit: str = "short", drawn: str = "line") -> Panel:
    """Lines over time, from the store; the query answers with `time`, `metric` (the line's name) and `value`."""
    panel = grafana.TimeSeries(
        title=title,
        description=description,
        dataSource=POSTGRES,
        targets=_sql(query, "time_series"),
        unit=unit,
        valueMin=0,
        drawStyle=drawn,
        fillOpacity=10 if drawn == "line" else 80,
        lineInterpolation="stepAfter" if drawn == "line" else "linear",
        spanNulls=True,
        showPoints="auto",
        tooltipMode="multi",
        stacking={"mode": "normal", "group": "A"} if drawn == "bars" else {},
        overrides=_severities(),
    )
    return Panel(panel, {})


def dashboard(
    title: str, uid: str, description: str, rows: Sequence[Sequence[Panel]], *, hours: int = 6
) -> dict[str, Any]:
    """A dashboard as Grafana reads it: each row's panels share its width."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        width = WIDTH // len(row)
        for at, one in enumerate(row):
            place = {"x": at * width, "y": top, "w": width, "h": HEIGHT}
            panels.append(one.json(len(panels) + 1, place))
        top += HEIGHT
    made = grafana.Dashboard(
        title=title,
        uid=uid,
        description=description,
        tags=["circulation"],
        timezone="browser",
        refresh="10s",
        time=grafana.Time(f"now-{hours}h", "now"),
        schemaVersion=36,
        editable=False,
    )
    # grafanalib leaves objects inside, which only its own encoder knows.
    data: dict[str, Any] = json.loads(json.dumps(made.to_json_data() | {"panels": panels}, cls=DashboardEncoder))
    return data
