"""`circulation dashboards OUT/`."""

from pathlib import Path

import click


@click.command()
@click.argument("out", metavar="OUT/", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--folder",
    metavar="PATH",
    default=None,
    show_default="OUT/grafana/dashboards",
    help="Where Grafana will see the dashboards.",
)
def dashboards(out: Path, folder: str | None) -> None:
    """Write Grafana dashboards, their provisioning, and Prometheus rules.

    The dashboards are Supervision, Look through (the lineage of an asset as a graph), Usage limits, and Health of the
    monitor.

    Point Grafana's GF_PATHS_PROVISIONING to OUT/grafana/provisioning and give Grafana, in its environment,
    PROMETHEUS_URL, STORE_HOST (host:port), STORE_DATABASE, STORE_USER, STORE_PASSWORD and STORE_SSLMODE; name
    OUT/prometheus/circulation.yml under `rule_files` of Prometheus.

    \b
    circulation dashboards /etc/circulation
    circulation dashboards out --folder /var/lib/grafana/dashboards
    """
    from dashboards.files import write

    where = folder or str((out / "grafana" / "dashboards").absolute())
    try:
        written = write(out, where)
    except OSError as error:
        refused = click.ClickException(f"cannot write {error.filename}: {error.strerror}")
        refused.exit_code = 2
        raise refused from error
    for path in written:
        click.echo(path)
