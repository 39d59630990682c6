"""The schema's history (Alembic), run by every worker at its start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from streams.store import keys, schema


def config() -> Config:
    """Alembic's configuration, independent of the folder one stands in."""
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return configuration


def upgrade(connection: Connection) -> None:
    """Brings the schema of an open connection to the newest version, and makes the views anew where it was not.

    A table that a view shows cannot be altered, so the views go first. The role of those who look is looked for at
    every start, since it may be made later than the tables.
    """
    _upgrade(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(schema.allow_looks())


def _upgrade(connection: Connection) -> None:
    configuration = config()
    newest = ScriptDirectory.from_config(configuration).get_heads()
    if list(MigrationContext.configure(connection).get_current_heads()) == newest:
        return
    for view in schema.VIEWS:
        connection.exec_driver_sql(f"drop view if exists {view}")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
    if connection.dialect.name == "postgresql":
        keys.index(connection)
    for statement in schema.views(postgres=connection.dialect.name == "postgresql"):
        connection.exec_driver_sql(statement)
