"""The engine finds in any small market what a slow model finds that was written from the contract alone."""

from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.cases import Json
from streams.replay import findings_of
from tests.model import markets, slow


@settings(max_examples=150)
@given(lines=markets.markets(), default=markets.packs, until=st.sampled_from(markets.UNTIL))
def test_the_engine_finds_what_the_model_finds(lines: list[Json], default: Json, until: str) -> None:
    found = {slow.seen(one) for one in findings_of(lines, pack=default, until=until) if one["detector"] in slow.MEMBERS}
    assert slow.findings(lines, default, until) == found
