#!/usr/bin/env bash
# Faust's assignor keeps partitions that its topic has no more, and ends with an AssertionError.
#
# One would guess: the sticky assignor gives out a topic as it is now, and forgets what a member had of it before.
# What happens: each member tells the leader which partitions it had, and the assignor (faust-streaming) keeps them
# without asking whether they are still there; where a topic was made again with fewer of them it raises at each
# rebalance.
# Why it matters: nothing is assigned until a member comes without the memory of before, as after a restart. Who makes
# topics smaller stops all workers first, or takes out of a member's assignment what is not there any more.
set -euo pipefail
FAUST=0.15.3
AIOKAFKA=0.14.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v python3 >/dev/null || { echo "$0 needs python3" >&2; exit 77; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "faust-streaming==$FAUST" "aiokafka==$AIOKAFKA"
"$work/venv/bin/python" - <<'PYTHON'
import sys

import faust
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.metadata import MetadataResponse_v1
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

app = faust.App("fewer", broker="kafka://127.0.0.1:1")
there = ClusterMetadata()
partitions = [(0, part, 1, [1], [1]) for part in range(2)]
there.update_metadata(MetadataResponse_v1([(1, "localhost", 9092, None)], 1, [(0, "topic", False, partitions)]))
had = ClientAssignment(actives={"topic": [*range(8)]}, standbys={})
client = ClientMetadata(assignment=had, url="http://localhost", changelog_distribution={})
member = ConsumerProtocolMemberMetadata(app.assignor.version, ["topic"], client.dumps())
try:
    given = app.assignor.assign(there, {"member": member})
except AssertionError:
    print("of 8 partitions 2 are there: the assignor ends with an AssertionError")
    print("AS DESCRIBED")
else:
    print(f"CHANGED: {given}")
    sys.exit(1)
PYTHON
