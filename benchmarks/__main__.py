"""The command line: `python -m benchmarks [--quick] [NAME…]`; exit 1 where a count is wrong, whatever the speed."""

import argparse
import os
import platform
import sys

from benchmarks import acts, growth, latency, lineage, memory, replay, retention, rings, screening, start, usage
from benchmarks.peers import peers
from benchmarks.report import Report

BENCHMARKS = {
    "replay": replay.run,
    "usage": usage.run,
    "acts": acts.run,
    "latency": latency.run,
    "memory": memory.run,
    "start": start.run,
    "screening": screening.run,
    "lineage": lineage.run,
    "retention": retention.run,
    "growth": growth.run,
    "rings": rings.run,
    "peers": peers.run,
}


def main() -> int:
    """Runs the benchmarks that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer events: for a look, not for the README")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; without, all")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    print(f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    report = Report()
    for name in options.names or BENCHMARKS:
        BENCHMARKS[name](report, quick=options.quick)
    print()
    for text in report.slow:
        print(f"target missed: {text}")
    for text in report.wrong:
        print(f"WRONG: {text}", file=sys.stderr)
    print("all counts are exact" if not report.wrong else "some counts are wrong: no figure above means anything")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
