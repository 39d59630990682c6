"""How large the tests of exactness are."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--events 300000` asks for a longer run than every change gets."""
    parser.addoption("--events", type=int, default=12_000, help="events of the tests of exactness (12000)")
    parser.addoption("--kills", type=int, default=4, help="how often workers are killed or stopped in each (4)")
    parser.addoption("--runs", type=int, default=1, help="how often each is run, with other moments (1)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs each test of exactness as often as `--runs` says."""
    if "run_number" in metafunc.fixturenames:
        metafunc.parametrize("run_number", range(int(metafunc.config.getoption("--runs", 1))))


@pytest.fixture(scope="session")
def kills_count(pytestconfig: pytest.Config) -> int:
    """How often workers are killed or stopped in a test of exactness."""
    return int(pytestconfig.getoption("--kills", 4))


@pytest.fixture(scope="session")
def events_count(pytestconfig: pytest.Config) -> int:
    """How many events a test of exactness sends; without its own option where only a folder above was named."""
    return int(pytestconfig.getoption("--events", 12_000))
