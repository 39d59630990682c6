"""The schema's history (Alembic), run by every worker at its start."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from streams import schema


def config() -> Config:
    """Alembic's configuration, independent of the folder one stands in."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return made


def upgrade(connection: Connection) -> None:
    """Brings the schema of an open connection to the newest version; views are made anew where it was not."""
    before = MigrationContext.configure(connection).get_current_heads()
    made = config()
    made.attributes["connection"] = connection
    command.upgrade(made, "head")
    if MigrationContext.configure(connection).get_current_heads() != before:
        for statement in schema.views(postgres=connection.dialect.name == "postgresql"):
            connection.exec_driver_sql(statement)
