"""The house style: panels and queries, so that all dashboards look, read and are tested alike.

Queries name metric objects, not strings: a metric that is renamed, or a label that it lost, breaks the import of a
dashboard and not the night. Every panel must have a description. Data sources go by the fixed uids that are
provisioned with the dashboards.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from grafanalib import core as grafana
from grafanalib._gen import DashboardEncoder

from streams.worker.metrics import Metric

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
    series = over("max", metric, *metric.labels, **labels)
    return f"sum by ({', '.join(by)}) ({series})" if by else f"sum({series})"


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
    """A panel of grafanalib whose JSON gets what grafanalib does not know of. `wide` is its share of its row."""

    def __init__(self, panel: Any, more: dict[str, Any], *, height: int = HEIGHT, wide: int = 1) -> None:
        self.panel = panel
        self.height = height
        self.wide = wide
        self._more = more

    def json(self, id_: int, place: dict[str, int]) -> dict[str, Any]:
        """The panel as Grafana reads it."""
        data: dict[str, Any] = self.panel.to_json_data()
        data["targets"] = [target.to_json_data() for target in self.panel.targets]
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


def _line(query: str) -> str:
    return " ".join(query.split())


def _sql(query: str, form: str, name: str = "A") -> list[Any]:
    return [grafana.SqlTarget(rawSql=_line(query), format=form, refId=name, datasource=POSTGRES)]


def _links(columns: Mapping[str, str]) -> list[dict[str, Any]]:
    """Columns whose values lead to an address."""
    return [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "links", "value": [{"title": "Look through", "url": url}]}],
        }
        for column, url in columns.items()
    ]


def table(
    title: str, description: str, query: str, *, links: Mapping[str, str] | None = None, height: int = HEIGHT
) -> Panel:
    """Rows of the store; `links` are the addresses to which the values of a column lead."""
    panel = grafana.Table(
        title=title,
        description=description,
        dataSource=POSTGRES,
        targets=_sql(query, "table"),
        filterable=True,
        colorMode="fixed",
        overrides=[
            *_links(links or {}),
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
            },
        ],
    )
    return Panel(panel, {}, height=height)


class NodeGraph(grafana.Panel):  # type: ignore[misc]  # grafanalib has no types
    """Grafana's node graph, which grafanalib lacks.

    Which query is which it tells by their names, `nodes` and `edges`, and by the column `source`; an edge whose ends
    are not both among the nodes breaks it. Made for Grafana 12.1, which takes the columns in small letters as well.
    """

    def to_json_data(self) -> dict[str, Any]:
        """As Grafana reads it."""
        options = {"layoutAlgorithm": "layered", "zoomMode": "cooperative", "nodes": {}, "edges": {}}
        data: dict[str, Any] = self.panel_json({"type": "nodeGraph", "options": options})
        return data


def node_graph(title: str, description: str, nodes: str, edges: str, *, link: str, wide: int = 1) -> Panel:
    """A graph of the store; `link` is the address to which a node leads."""
    panel = NodeGraph(
        title=title,
        description=description,
        dataSource=POSTGRES,
        targets=_sql(nodes, "table", "nodes") + _sql(edges, "table", "edges"),
        # Edges have no title, so they do not lead anywhere.
        extraJson={"fieldConfig": {"overrides": _links({"title": link})}},
    )
    return Panel(panel, {}, height=2 * HEIGHT, wide=wide)


class Variable:
    """A variable chosen above a dashboard; its queries have it as `${name}`."""

    def __init__(self, template: Any, more: dict[str, Any]) -> None:
        self.template = template
        self._more = more

    def json(self) -> dict[str, Any]:
        """As Grafana reads it."""
        data: dict[str, Any] = self.template.to_json_data()
        return data | self._more


def _of_query(name: str, label: str, description: str, query: str, hide: int) -> Variable:
    text = _line(query)
    template = grafana.Template(
        name=name, label=label, query=text, dataSource=POSTGRES, sort=grafana.SORT_DISABLED, hide=hide
    )
    # Without a current value Grafana takes the first.
    return Variable(template, {"definition": text, "description": description, "current": {}})


def asked(name: str, label: str, description: str, query: str) -> Variable:
    """One of the first column of a query; what a person types stands in it as `${__searchFilter}`, with a % behind."""
    return _of_query(name, label, description, query, grafana.SHOW)


def hidden(name: str, query: str) -> Variable:
    """A hidden variable with the answer of a query, for the texts of panels."""
    return _of_query(name, name, "", query, grafana.HIDE_VARIABLE)


def chosen(name: str, label: str, description: str, values: Sequence[str], default: str) -> Variable:
    """One of some values."""
    template = grafana.Template(name=name, label=label, query=",".join(values), default=default, type="custom")
    return Variable(template, {"description": description})


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
    title: str,
    uid: str,
    description: str,
    rows: Sequence[Sequence[Panel]],
    *,
    hours: int = 6,
    variables: Sequence[Variable] = (),
    refresh: str = "10s",
) -> dict[str, Any]:
    """A dashboard as Grafana reads it: each row's panels share its width."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in rows:
        part = WIDTH // sum(panel.wide for panel in row)
        left = 0
        for panel in row:
            place = {"x": left, "y": top, "w": part * panel.wide, "h": panel.height}
            panels.append(panel.json(len(panels) + 1, place))
            left += part * panel.wide
        top += max(panel.height for panel in row)
    board = grafana.Dashboard(
        title=title,
        uid=uid,
        description=description,
        tags=["circulation"],
        timezone="browser",
        refresh=refresh,
        time=grafana.Time(f"now-{hours}h", "now"),
        schemaVersion=36,
        editable=False,
    )
    # grafanalib leaves objects inside, which only its own encoder knows.
    whole = board.to_json_data() | {
        "panels": panels,
        "templating": {"list": [variable.json() for variable in variables]},
    }
    data: dict[str, Any] = json.loads(json.dumps(whole, cls=DashboardEncoder))
    return data
