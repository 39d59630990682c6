"""How large the tests of exactness are."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--events 300000` asks for a longer run than every change gets."""
    parser.addoption("--events", type=int, default=60_000, help="events of the tests of exactness (60000)")


@pytest.fixture(scope="session")
def events_count(pytestconfig: pytest.Config) -> int:
    """How many events a test of exactness sends; without its own option where only a folder above was named."""
    return int(pytestconfig.getoption("--events", 60_000))
