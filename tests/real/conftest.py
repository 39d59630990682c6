"""Tests that read the folder of real data, which stands beside the project: without it they skip and say so."""

import sys
from pathlib import Path

# The worker processes of the end-to-end tests serve here too, also when only this folder is run.
sys.path.append(str(Path(__file__).resolve().parent.parent / "end_to_end"))
