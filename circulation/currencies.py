"""Currencies of ISO 4217: those of today, and those that were withdrawn since 2015, whatever list is installed.

An event is judged by what was in use when it happened, and a list that is installed has only what is in use when it was
made. So codes that came or went since 2015 are here, by the amendments of the maintenance agency (SIX Group), as the
Publications Office of the European Union lists them in its Interinstitutional Style Guide, "Currencies: modifications".
"""

from typing import Final

import pycountry

# When a code was withdrawn, and the amendment where one was made.
WITHDRAWN: Final = {
    "LTL": "2015-01-01, amendment 159: EUR",
    "BYR": "2017-01-01, amendment 161: BYN",
    "MRO": "2018-07-01, amendment 165: MRU",
    "STD": "2018-07-01, amendment 164: STN",
    "VEF": "2018-08-20, amendment 168: VES",
    "CUC": "2021-01-01, amendment 178: CUP",
    "HRK": "2023-01-01, amendment 174: EUR",
    "SLL": "2022-07-01, amendments 171 to 175: SLE",
    "ZWL": "2024-06-25, amendment 177: ZWG",
    "ANG": "2025-03-31, amendment 176: XCG",
    "BGN": "2026-01-01: EUR",
}
INTRODUCED: Final = frozenset({"BYN", "MRU", "STN", "UYW", "VED", "VES", "SLE", "XAD", "XCG", "ZWG"})

CURRENCIES: Final = frozenset({currency.alpha_3 for currency in pycountry.currencies} | INTRODUCED | WITHDRAWN.keys())
