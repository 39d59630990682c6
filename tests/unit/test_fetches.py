"""The private names of Faust and of its driver that the transport uses are there, and mean what they meant."""

import ast
import asyncio
import inspect
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
import pytest
from aiokafka import client, consumer
from aiokafka.cluster import ClusterMetadata
from aiokafka.consumer import group_coordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from aiokafka.protocol.metadata import MetadataResponse_v1
from faust.assignor import PartitionAssignor
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

import streams
from streams.wire import fetches
from streams.wire.fetches import Assignor, Consumer, Record, Transport
from streams.wire.reader import Fetch, Part

# Private names of others that the transport uses: of which package, where they stand, and the version that had them.
HAD = {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}
NAMES: list[tuple[str, Any, tuple[str, ...]]] = [
    ("faust-streaming", base.Consumer, ("_add_gap",)),
    ("faust-streaming", base.ThreadDelegateConsumer, ("_new_consumer_thread", "_thread", "_to_message")),
    ("faust-streaming", driver.AIOKafkaConsumerThread, ("_commit", "_consumer", "_ensure_consumer")),
    ("faust-streaming", PartitionAssignor, ("_perform_assignment",)),
    ("aiokafka", consumer.AIOKafkaConsumer, ("_client", "_coordinator", "_subscription")),
    ("aiokafka", client.AIOKafkaClient, ("_conns",)),
    (
        "aiokafka",
        group_coordinator.GroupCoordinator,
        ("_closing", "_coordination_task", "_maybe_leave_group", "_push_error_to_user", "_rejoin_needed_fut"),
    ),
]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize(("package", "owner", "names"), NAMES, ids=[owner.__name__ for _, owner, _ in NAMES])
def test_private_names_of_others_stand_where_they_stood(package: str, owner: Any, names: tuple[str, ...]) -> None:
    written = "".join(inspect.getsource(one) for one in owner.__mro__ if one.__module__.partition(".")[0] in LIBRARIES)
    moved = [name for name in names if f"self.{name}" not in written and f"def {name}(" not in written]
    assert [] == moved, f"{package} {version(package)} moved them; {HAD[package]} had them in {owner.__name__}"


LIBRARIES = ("aiokafka", "faust", "mode")


def test_what_is_used_of_others_is_said_and_stands_in_one_file() -> None:
    named = {name for _, _, names in NAMES for name in names}
    source = ast.parse(inspect.getsource(fetches))
    ours = {
        name
        for node in ast.walk(source)
        for name in ([node.name] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else assigned(node))
    }
    used = {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute) and is_private(node.attr)}
    assert named == (used - ours) | (named & ours)
    for path in Path(streams.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        if path != Path(fetches.__file__) and imported(tree) & {*LIBRARIES}:
            assert [] == [
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node)
            ], path


def assigned(node: ast.AST) -> list[str]:
    """The members of itself that a statement makes."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    own = [target.attr for target in targets if isinstance(target, ast.Attribute) and is_own(target)]
    return [*own, *(target.id for target in targets if isinstance(target, ast.Name))]


def is_own(node: ast.Attribute) -> bool:
    """Whether it is a member of the object itself, or of the operating system, where `_exit` is public."""
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os")


def imported(tree: ast.Module) -> set[str]:
    """The packages that a module imports."""
    nodes = list(ast.walk(tree))
    return {name.name.partition(".")[0] for node in nodes if isinstance(node, ast.Import) for name in node.names} | {
        str(node.module).partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)
    }


async def nothing(*_: Any) -> None:
    """What the consumer would call; no test gets so far."""


def a_consumer() -> Consumer:
    app = faust.App("private-names", broker="fetches://127.0.0.1:1", web_enabled=False)
    transport = app.transport
    assert isinstance(transport, Transport)
    made = transport.create_consumer(callback=nothing, on_partitions_revoked=nothing, on_partitions_assigned=nothing)
    assert isinstance(made, Consumer)
    return made


def test_the_address_of_a_broker_finds_the_transport() -> None:
    assert isinstance(a_consumer(), driver.Consumer)


def test_a_fetch_becomes_a_message_of_its_own_that_is_not_acknowledged_yet() -> None:
    fetch = Fetch("circulation.contracts", {3: Part(7, 9, [])}, 1)
    tp = TP("circulation.contracts", 3)
    consumer = a_consumer()
    message = consumer._to_message(tp, Record(tp.topic, 3, 7, 0, 0, (), None, fetch, None, 0, 0))
    assert (fetch, 7, False) == (message.value, message.offset, message.acked)


def test_what_belongs_to_an_assignment_that_ended_is_not_waited_for() -> None:
    consumer = a_consumer()
    consumer.app.worker = SimpleNamespace(reader=SimpleNamespace(generation=1))  # type: ignore[attr-defined]
    tp = TP("circulation.contracts", 3)
    fetch = Fetch(tp.topic, {3: Part(7, 9, [])}, 1)
    message = consumer._to_message(tp, Record(tp.topic, 3, 7, 0, 0, (), None, fetch, None, 0, 0))
    consumer._handed = [message]
    assert not consumer._taken()
    consumer.app.worker.reader.generation = 2
    assert consumer._taken()


def test_what_is_acknowledged_is_not_waited_for() -> None:
    consumer = a_consumer()
    consumer.app.worker = SimpleNamespace(reader=SimpleNamespace(generation=1))  # type: ignore[attr-defined]
    tp = TP("circulation.contracts", 3)
    fetch = Fetch(tp.topic, {3: Part(7, 9, [])}, 1)
    message = consumer._to_message(tp, Record(tp.topic, 3, 7, 0, 0, (), None, fetch, None, 0, 0))
    consumer._handed = [message]
    message.acked = True
    assert consumer._taken()


def test_what_lies_between_two_fetches_is_no_gap() -> None:
    consumer = a_consumer()
    tp = TP("circulation.contracts", 3)
    asyncio.run(consumer._add_gap(tp, 1, 1_000))
    assert not consumer._gap[tp]


def test_the_driver_has_what_is_overridden_or_called() -> None:
    for name in ("_add_gap", "getmany", "seek_to_committed", "commit", "verify_all_partitions_active"):
        assert callable(getattr(driver.Consumer, name)), name
    assert list(inspect.signature(base.ThreadDelegateConsumer.getmany).parameters) == ["self", "timeout"]
    for name in ("_ensure_consumer", "on_start", "on_thread_stop", "_commit"):
        assert callable(getattr(driver.AIOKafkaConsumerThread, name)), name
    assert callable(driver.Consumer._new_consumer_thread)
    assert not driver.AIOKafkaConsumerThread._consumer


def test_aiokafka_counts_a_poll_where_a_fetch_is_begun_and_ended() -> None:
    async def idle() -> tuple[float, float]:
        state = SubscriptionState(loop=asyncio.get_running_loop())
        state._last_fetch_ended -= 100.0
        before = state.fetcher_idle_time
        with state.fetch_context():
            pass
        return before, state.fetcher_idle_time

    before, after = asyncio.run(idle())
    assert before >= 100.0 > after


def test_the_coordinator_of_aiokafka_has_what_membership_is_read_from() -> None:
    source = inspect.getsource(group_coordinator.GroupCoordinator)
    for name in ("_coordination_task", "_rejoin_needed_fut", "generation", "_maybe_leave_group"):
        assert f"self.{name}" in source, name
    assert inspect.iscoroutinefunction(group_coordinator.GroupCoordinator._maybe_leave_group)
    for name in ("_push_error_to_user", "_closing"):
        assert f"await self.{name}" in source or f"self.{name}.done" in source, name
    assert callable(group_coordinator.GroupCoordinator.request_rejoin)


def cluster(**partitions: int) -> ClusterMetadata:
    """What Kafka says of its topics."""
    told = [(0, topic, False, [(0, part, 1, [1], [1]) for part in range(n)]) for topic, n in partitions.items()]
    made = ClusterMetadata()
    made.update_metadata(MetadataResponse_v1([(1, "localhost", 9092, None)], 1, told))
    return made


def given(there: ClusterMetadata, had: dict[str, dict[str, list[int]]], topics: list[str]) -> dict[str, Any]:
    """What members are given of topics that had these partitions of them."""
    app = faust.App("given", broker="fetches://127.0.0.1:1", web_enabled=False, PartitionAssignor=Assignor)
    assert isinstance(app.assignor, Assignor)
    members = {}
    for member, actives in had.items():
        client = ClientMetadata(
            assignment=ClientAssignment(actives=actives, standbys={}),
            url="http://localhost",
            changelog_distribution={},
        )
        members[member] = ConsumerProtocolMemberMetadata(app.assignor.version, topics, client.dumps())
    return {member: dict(one.assignment) for member, one in app.assignor.assign(there, members).items()}


def test_members_that_had_more_partitions_than_there_are_now_are_given_those_that_are_there() -> None:
    """Faust's own assignor fails on it, at each try: the worker would be out of its group for good."""
    assert {"one": {"a": [0, 1]}} == given(cluster(a=2), {"one": {"a": [*range(8)]}}, ["a"])
    found = given(
        cluster(a=3, b=8), {"one": {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}, "two": {"a": [*range(4, 8)]}}, ["a", "b"]
    )
    assert [0, 1, 2] == sorted(part for one in found.values() for part in one["a"])
    assert [*range(8)] == sorted(part for one in found.values() for part in one["b"])
