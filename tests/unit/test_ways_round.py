"""Each way round the rules that is closed, with a test that is named after it: none of them works.

The tests live by area in `tests/unit/ways_round/`, and are collected here:

- `envelope`: what an event says of itself
- `words`: whose word counts
- `lineage`: OpenLineage
- `matching`: negative lists
- `rights`, `borders`, `money`: what is sold, sent abroad and paid
- `credit`: scores
- `uses`: reports of no uses
- `sides`: what two sides report of one day
- `odrl`: policies
- `out`: what findings say, and to whom
"""

import pytest

AREAS = (
    "borders",
    "credit",
    "envelope",
    "lineage",
    "matching",
    "money",
    "odrl",
    "out",
    "rights",
    "sides",
    "uses",
    "words",
)
pytest.register_assert_rewrite(*(f"ways_round.{area}" for area in AREAS))

from ways_round.borders import *  # noqa: E402, F403 the tests of an area, as pytest collects them by this module's names
from ways_round.credit import *  # noqa: E402, F403
from ways_round.envelope import *  # noqa: E402, F403
from ways_round.lineage import *  # noqa: E402, F403
from ways_round.matching import *  # noqa: E402, F403
from ways_round.money import *  # noqa: E402, F403
from ways_round.odrl import *  # noqa: E402, F403
from ways_round.out import *  # noqa: E402, F403
from ways_round.rights import *  # noqa: E402, F403
from ways_round.sides import *  # noqa: E402, F403
from ways_round.uses import *  # noqa: E402, F403
from ways_round.words import *  # noqa: E402, F403
