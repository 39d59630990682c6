"""What must be found, written from the public contract alone, and the small random markets in which it is compared."""

import os


def examples(count: int) -> int:
    """How many examples a property is tried on: many more where the profile `deep` asks for them."""
    return count * (30 if os.environ.get("HYPOTHESIS_PROFILE") == "deep" else 1)
