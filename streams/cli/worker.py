"""`circulation worker`: takes in events and judges them, until stopped."""

import sys

import click

from streams.cli.inputs import admission_of_settings, configured, read_rules


@click.command()
def worker() -> None:
    """Take in events from Kafka and judge them, until stopped.

    On PostgreSQL any number of workers share the load; SQLite serves one. Stop it with Ctrl-C or SIGTERM: it ends
    within 20 s, though store or Kafka do not answer, with exit code 0 (2 where it may not start or go on); even a
    SIGKILL loses nothing. It answers on CIRCULATION_WEB: /metrics, /health, /ready.

    \b
    circulation worker
    CIRCULATION_STORE=postgresql://host/circulation circulation worker
    """
    settings = configured()
    admission_of_settings()
    if settings.rules is not None:
        read_rules(settings.rules)
    from streams.worker.start import main

    sys.exit(main(settings))
