"""Takes in the events of a fetch: folds them, steps the tallies, keeps the acts, and queues what is to be judged.

A fetch is one transaction. `intake` has the loop and its steps; `batch` what a fetch changes, on its way through the
rooms; `contracts` goes through the events of one contract. The other modules are rooms: functions that take a batch
and a desk, and answer with what they found.
"""

from streams.intake.batch import Arrival, Outcome, Place, Refused, rejected
from streams.intake.intake import Intake

__all__ = ["Arrival", "Intake", "Outcome", "Place", "Refused", "rejected"]
