"""A worker tells of a source that owes events and is silent, and counts how good what it says is."""

from pathlib import Path

import orjson
from running import Sender, Worker, wait

from circulation.examples import SELLER, SOURCE, party, signed, used
from streams.answers import sources as answers
from streams.store.store import Store

FEED = "urn:feed"


def test_a_worker_tells_of_a_silent_source_and_counts_what_it_says(
    topics: str, postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "sources.yaml"
    path.write_bytes(orjson.dumps({FEED: {"types": ["*"], "heartbeat_seconds": 60}, SOURCE: {"types": ["*"]}}))
    uses = [used("c", f"2025-02-01T08:0{at}:00", source=FEED, sequence=at + 1) for at in (0, 2)]
    bad = party(SELLER, "2025-02-01", source=FEED, roles=["king"])
    with Worker(topics, postgres_url, tmp_path, sources=str(path), late_seconds="60") as worker:
        worker.wait_ready()
        sender = Sender(topics)
        sender.send(map(orjson.dumps, [signed("c", "2025-01-01"), *uses, bad]))
        # The clock is that of events, and goes on with what others say.
        sender.send([orjson.dumps(party(SELLER, "2025-02-01T08:10:00"))])
        store = Store(postgres_url)

        def silent() -> list[str]:
            with store.reading() as db:
                rows = db.rows("select data from findings where standing and detector = 'feed-silence'")
            return sorted(orjson.loads(row[0])["about"]["id"] for row in rows)

        wait("it is told that the feed is silent", lambda: [FEED] == silent(), instead=silent)

        def parts() -> dict[str, tuple[int, int]]:
            with store.reading() as db:
                found = answers.quality(db, 202502, FEED)
            return {name: (one["good"], one["all"]) for each in found for name, one in each["parts"].items()}

        # What happened in February of that year reaches Kafka now: it is late.
        expected = {"on_time": (0, 2), "admitted": (2, 3), "linked": (2, 2), "complete": (2, 3), "agreeing": (0, 0)}
        wait("all of it is counted", lambda: expected == parts(), instead=parts)
        told = f'circulation_source_quality_all{{part="admitted",source="{FEED}"}} 3.0'
        wait("the metrics say so", lambda: told in worker.answer("/metrics")[1].decode())
        sender.send([orjson.dumps(used("c", "2025-02-01T08:09:30", source=FEED, sequence=4))])
        wait("it is told that the feed is back", lambda: [] == silent(), instead=silent)
