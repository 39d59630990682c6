"""All that Grafana and Prometheus are given, as files: dashboards, their provisioning, and rules.

OUT/grafana/dashboards/*.json             the dashboards
OUT/grafana/provisioning/dashboards/…     where Grafana finds them
OUT/grafana/provisioning/datasources/…    Prometheus and PostgreSQL
OUT/prometheus/circulation.yml            recording and alert rules
"""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from dashboards import health, look_through, supervision, usage_limits
from dashboards.house import POSTGRES, PROMETHEUS
from dashboards.rules import rules

DASHBOARDS: Final = {
    "supervision": supervision.DASHBOARD,
    "usage-limits": usage_limits.DASHBOARD,
    "look-through": look_through.DASHBOARD,
    "health": health.DASHBOARD,
}

# Where the addresses are taken from: Grafana puts in its own environment.
_DATASOURCES: Final[dict[str, Any]] = {
    "apiVersion": 1,
    "prune": True,
    "datasources": [
        {
            "name": "Circulation metrics",
            "uid": PROMETHEUS["uid"],
            "type": PROMETHEUS["type"],
            "access": "proxy",
            "url": "$PROMETHEUS_URL",
            "isDefault": True,
            "editable": False,
            "jsonData": {"timeInterval": "15s"},
        },
        {
            "name": "Circulation store",
            "uid": POSTGRES["uid"],
            "type": POSTGRES["type"],
            "access": "proxy",
            "url": "$STORE_HOST",
            "user": "$STORE_USER",
            "editable": False,
            "secureJsonData": {"password": "$STORE_PASSWORD"},
            "jsonData": {"database": "$STORE_DATABASE", "sslmode": "$STORE_SSLMODE", "postgresVersion": 1500},
        },
    ],
}


def _providers(folder: str) -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "circulation",
                "folder": "Circulation",
                "type": "file",
                "disableDeletion": True,
                "allowUiUpdates": False,
                "options": {"path": folder},
            }
        ],
    }


def files(folder: str = "/etc/grafana/dashboards") -> dict[str, str]:
    """The files by path. `folder` is where Grafana will see the dashboards."""
    by_path = {
        f"grafana/dashboards/{name}.json": json.dumps(dashboard, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, dashboard in DASHBOARDS.items()
    }
    by_path["grafana/provisioning/dashboards/circulation.yml"] = _yaml(_providers(folder))
    by_path["grafana/provisioning/datasources/circulation.yml"] = _yaml(_DATASOURCES)
    by_path["prometheus/circulation.yml"] = _yaml(rules())
    return by_path


def _yaml(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000)
    return text


def write(out: Path, folder: str) -> list[Path]:
    """Writes the files below `out`; answers with their paths. Other files there are left alone."""
    written = []
    for name, text in files(folder).items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written
