"""What `/ready` says: each state in which something is not watched, and why."""

import re
import shlex

import pytest
from test_docs import parsed

from streams.health.readiness import (
    ANSWER_SECONDS_MAX,
    DELAY_SECONDS_MAX,
    ELSEWHERE,
    FEWER,
    JUDGE_SILENT_SECONDS_MAX,
    LOG_SECONDS,
    MADE_ANEW,
    NOT_THERE,
    READ_FIRST,
    WATCH_SILENT_SECONDS_MAX,
    Failing,
    State,
    document,
    partitions_of,
    reasons,
)

WELL = State(
    assigned=8,
    member=True,
    store=True,
    broker=True,
    sending="",
    lag=0,
    delay=0.0,
    held=False,
    open_transactions=(),
    stopped=(),
    judge_silent=0.5,
    judge_waits=0.0,
    outbox_waits=0.0,
    outbox_closed={},
    outbox_set_aside=0,
    clock_trusted=True,
    clock_skews={"broker": 0.01},
    clock_doubts=(),
    clock_unbounded="",
    failing={},
    watch_silent=2.0,
    strangers=(),
    store_silent=1.0,
    broker_silent=1.0,
)
STOPPED = {"topic": "circulation.parties", "partition": 3, "why": "records are gone"}
RESUME = "`circulation feed resume circulation.parties 3 --from earliest --by NAME --note WHY`"


def test_a_worker_that_is_well_is_ready_and_has_no_reasons():
    told = document(WELL, warnings=["a warning"], pack="digest")
    assert (True, [], ["a warning"], "digest") == (told["ready"], told["reasons"], told["warnings"], told["pack"])


# A change for the worse, a word of what is said of it, and what mends it.
NOT_READY = [
    ({"member": False}, "no member of its group", "`circulation status`"),
    ({"watch_silent": WATCH_SILENT_SECONDS_MAX + 1}, "not seen for 21 s", "pg_locks"),
    ({"strangers": ["other-1"]}, "no workers of this store: other-1;", "`circulation restore OUT/`"),
    ({"assigned": 0}, "no partitions", "`circulation topics grow --partitions NUMBER`"),
    ({"assigned": 0}, "topics are not there", "`circulation topics create`"),
    ({"store": False}, "the store does not answer", "CIRCULATION_STORE"),
    ({"broker": False}, "Kafka does not answer", "CIRCULATION_KAFKA"),
    ({"store_silent": ANSWER_SECONDS_MAX + 0.1}, "the store does not answer", "CIRCULATION_STORE"),
    ({"broker_silent": ANSWER_SECONDS_MAX + 0.1}, "Kafka does not answer", "CIRCULATION_KAFKA"),
    ({"sending": "not confirmed"}, "cannot be sent: not confirmed", "until Kafka takes it"),
    ({"held": True}, "rule packs", "`circulation feed list`"),
    ({"open_transactions": ["circulation.parties[3]"]}, "circulation.parties[3] waits", "kafka-transactions.sh"),
    ({"stopped": (STOPPED,)}, "circulation.parties[3] is not read: records are gone", RESUME),
    ({"stopped": (STOPPED | {"why": NOT_THERE},)}, "the topic is not there", "`circulation topics create`"),
    ({"stopped": (STOPPED | {"why": f"others: {READ_FIRST}"},)}, READ_FIRST, "goes on by itself"),
    ({"stopped": (STOPPED | {"why": f"the topic has 2 partitions{FEWER}4"},)}, "the store read 4", "closes it"),
    ({"delay": DELAY_SECONDS_MAX + 1}, "61 s behind", "`circulation status`"),
    ({"judge_silent": JUDGE_SILENT_SECONDS_MAX + 1}, "the judge has said nothing for 11 s", "STALL_SECONDS"),
    ({"judge_waits": DELAY_SECONDS_MAX + 1}, "to be judged waits for 61 s", "`circulation queue list`"),
    ({"outbox_waits": DELAY_SECONDS_MAX + 1}, "to be sent waits for 61 s", "`circulation outbox list`"),
    ({"clock_trusted": False, "clock_doubts": ["it is 61 s ahead"]}, "61 s ahead", "NTP"),
    ({"clock_trusted": False}, "clocks", "NTP"),
    ({"clock_unbounded": "it stamps as producers say"}, "stamps as producers say", "topics create"),
    ({"failing": {"taking in": "read-only"}}, "taking in: read-only", "tried again"),
]


@pytest.mark.parametrize(("change", "word", "mend"), NOT_READY)
def test_each_state_in_which_something_is_not_watched_is_a_reason_that_says_what_to_do(change, word, mend):
    told = document(WELL._replace(**change), warnings=[], pack="")
    assert not told["ready"]
    (reason,) = told["reasons"]
    assert word in reason
    assert mend in reason


def test_commands_that_reasons_name_are_there():
    said = " ".join(reason for change, _, _ in NOT_READY for reason in reasons(WELL._replace(**change)))
    commands = {one.replace("NUMBER", "16") for one in re.findall("`circulation ([^`]*)`", said)}
    assert "feed resume circulation.parties 3 --from earliest --by NAME --note WHY" in commands
    assert {one: parsed(shlex.split(one)) for one in commands}


def lost(partition, offset, topic="circulation.parties"):
    return {"topic": topic, "partition": partition, "why": f"Kafka no longer has the offsets {offset} to 9"}


def test_partitions_of_one_cause_are_told_of_in_one_sentence():
    anew = [{"topic": "circulation.assets", "partition": part, "why": MADE_ANEW} for part in (7, 0, 1, 2, 4)]
    (said,) = reasons(WELL._replace(stopped=anew))
    assert said.startswith(f"circulation.assets[0-2, 4, 7] are not read: {MADE_ANEW}; ")
    (command,) = re.findall("`circulation (feed resume [^`]*)`", said)
    assert "feed resume circulation.assets --all --from earliest --by NAME --note WHY" == command
    assert parsed(shlex.split(command))
    expired = [lost(3, 1), lost(4, 5), lost(0, 2, "circulation.orders")]
    first, second = reasons(WELL._replace(stopped=[*anew, *expired]))
    assert said == first
    assert second.startswith(
        "circulation.orders[0], circulation.parties[3-4] are not read: Kafka no longer has the offsets 2 to 9"
        " (so circulation.orders[0], and the others alike); "
    )
    assert "`circulation feed resume --all --from earliest" in second
    gone = [STOPPED | {"partition": part, "why": f"the topic has 2 partitions{FEWER}4"} for part in (2, 3)]
    (closes,) = reasons(WELL._replace(stopped=gone))
    assert "closes them" in closes
    absent = [STOPPED | {"partition": part, "why": NOT_THERE} for part in (2, 3)]
    (makes,) = reasons(WELL._replace(stopped=absent))
    assert makes.endswith("makes them")
    assert {("circulation.assets", part) for part in (0, 1, 2, 4, 7)} == partitions_of(said)
    assert {("circulation.parties", part) for part in (3, 4)} | {("circulation.orders", 0)} == partitions_of(second)
    assert set() == partitions_of("it is no member of its group")


def test_every_member_of_a_state_that_can_be_bad_is_told_of():
    worse = {name for change, _, _ in NOT_READY for name in change}
    # They are numbers beside the reasons, or are warnings.
    assert {"lag", "clock_skews", "outbox_closed", "outbox_set_aside"} == {*State._fields} - worse


def test_a_worker_all_of_whose_topics_are_others_says_that_it_may_be_another_kafka():
    stopped = (STOPPED | {"why": MADE_ANEW},)
    assert ELSEWHERE in reasons(WELL._replace(assigned=0, stopped=stopped))
    assert ELSEWHERE not in reasons(WELL._replace(assigned=1, stopped=stopped))
    assert ELSEWHERE not in reasons(WELL._replace(assigned=0, stopped=(*stopped, STOPPED)))


@pytest.mark.parametrize("member", ["delay", "judge_waits", "outbox_waits"])
def test_what_waits_is_a_reason_from_beyond_a_minute_on(member):
    assert [] == reasons(WELL._replace(**{member: DELAY_SECONDS_MAX}))
    assert 1 == len(reasons(WELL._replace(**{member: DELAY_SECONDS_MAX + 0.1})))


def test_what_fails_is_logged_once_a_minute_and_told_until_it_is_done():
    failing = Failing()
    assert failing.failed("taking in", OSError("away"), 0.0)
    assert not failing.failed("taking in", OSError("away\nwith more"), LOG_SECONDS - 0.1)
    assert failing.failed("taking in", OSError("away"), LOG_SECONDS)
    assert failing.failed("judging", OSError(), 1.0)
    assert {"taking in": "away", "judging": "OSError"} == failing.now()
    failing.done("taking in", "judging")
    assert {} == failing.now()


def test_what_fails_for_another_reason_is_logged_at_once():
    failing = Failing()
    assert failing.failed("taking in", OSError("line 17 is cut off"), 0.0)
    assert failing.failed("taking in", OSError("it only reads"), 1.0)
    assert not failing.failed("taking in", OSError("line 18 is cut off"), 2.0)
    assert not failing.failed("taking in", OSError("it only reads"), 3.0)
