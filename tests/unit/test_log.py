"""No cause logs more than one line a minute, and no line is more than one."""

import io
import logging
from collections.abc import Iterator

import pytest

from streams.log import CAUSES_MAX, CHARACTERS_MAX, FRAMES_MAX, OncePerMinute, OneLine

BROKERS = "Connect to ipv4#127.0.0.1:%d failed: Connection refused"


class Clock:
    """A clock that goes when it is told to, in seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def written(clock: Clock) -> Iterator[io.StringIO]:
    """What is written of what is logged to the loggers `one` and `two`."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(OneLine())
    handler.addFilter(OncePerMinute(clock))
    for name in ("one", "two"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = False, [handler]
    yield out
    for name in ("one", "two"):
        logger = logging.getLogger(name)
        logger.propagate, logger.handlers = True, []


def lines(out: io.StringIO) -> list[str]:
    """What was written since the last look, without instants."""
    found = [line.split(" WARNING ")[-1].split(" ERROR ")[-1] for line in out.getvalue().splitlines()]
    out.truncate(out.seek(0))
    return found


def test_a_cause_is_written_once_a_minute_with_the_number_of_those_left_out(clock: Clock, written: io.StringIO) -> None:
    log = logging.getLogger("one")
    for second in range(121):
        clock.now = float(second)
        log.warning(BROKERS, 9_000 + second)
    said = "one: Connect to ipv4#127.0.0.1:{} failed: Connection refused"
    more = " (and 59 more like it in the 60 s before)"
    assert [said.format(9_000), said.format(9_060) + more, said.format(9_120) + more] == lines(written)


@pytest.mark.parametrize(("seconds", "count"), [(59.9, 1), (60.0, 2), (60.1, 2)])
def test_a_minute_is_sixty_seconds(clock: Clock, written: io.StringIO, seconds: float, count: int) -> None:
    for at in (0.0, seconds):
        clock.now = at
        logging.getLogger("one").warning("the broker is away")
    assert count == len(lines(written))


def test_another_cause_is_written_at_once(written: io.StringIO) -> None:
    one, two = logging.getLogger("one"), logging.getLogger("two")
    one.warning("the broker is away: %s", "x")
    one.warning("the broker is away: %s", "y")
    one.warning("the store is away: %s", "x")
    two.warning("the broker is away: %s", "x")
    assert ["one: the broker is away: x", "one: the store is away: x", "two: the broker is away: x"] == lines(written)


def test_a_template_without_words_is_told_apart_by_what_fills_it(written: io.StringIO) -> None:
    log = logging.getLogger("one")
    for text in ("taking in: port 9092 refused", "taking in: port 9093 refused", "judging: the store is away"):
        log.warning("%s", text)
    log.log(logging.WARNING, "%s [%s] %s", "FAIL", "rdkafka#consumer-1", "Connect to 127.0.0.1:9092 failed")
    log.log(logging.WARNING, "%s [%s] %s", "FAIL", "rdkafka#consumer-2", "Connect to 127.0.0.1:9093 failed")
    assert [
        "one: taking in: port 9092 refused",
        "one: judging: the store is away",
        "one: FAIL [rdkafka#consumer-1] Connect to 127.0.0.1:9092 failed",
    ] == lines(written)


def test_a_broker_is_one_by_its_number_and_by_its_address_alone(written: io.StringIO) -> None:
    log = logging.getLogger("one")
    for name in ("bootstrap", "1", "2"):
        log.warning(f"FAIL [thrd:127.0.0.1:9092/{name}]: ApiVersionRequest failed")
    assert ["one: FAIL [thrd:127.0.0.1:9092/bootstrap]: ApiVersionRequest failed"] == lines(written)


def _fail(depth: int, text: str) -> None:
    if depth:
        _fail(depth - 1, text)
    raise OSError(text)


def test_a_trace_is_one_line_and_one_cause_whatever_its_message(written: io.StringIO) -> None:
    log = logging.getLogger("one")
    for number in range(3):
        try:
            _fail(20, f"read-only\nfile {number}")
        except OSError:
            log.exception("a fetch of %s failed", f"topic-{number}")
    (line,) = lines(written)
    assert line.startswith("one: a fetch of topic-0 failed / OSError: read-only / file 0 [test_log.py:")
    assert FRAMES_MAX == line.count("test_log.py:")


def test_a_line_has_an_end(written: io.StringIO) -> None:
    logging.getLogger("one").warning("value: %s", "x" * 3 * CHARACTERS_MAX)
    assert CHARACTERS_MAX + 1 == len(written.getvalue().rstrip("\n"))


def test_what_is_remembered_of_causes_is_bounded(clock: Clock, written: io.StringIO) -> None:
    names = [f"{chr(0x4E00 + at)}aaa" for at in range(CAUSES_MAX + 1)]
    for name in (*names, names[0], names[-1]):
        logging.getLogger("one").warning(name)
    # The first was forgotten to make room for the last, and so is new again.
    assert [f"one: {name}" for name in (*names, names[0])] == lines(written)
