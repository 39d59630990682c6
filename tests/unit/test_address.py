"""The address of Kafka: where it may be that nobody started one here, what is said tells how."""

import pytest

from streams.address import silent
from streams.settings import Settings


@pytest.mark.parametrize("bootstrap", [Settings.read({}).kafka, "localhost:9092"])
def test_a_kafka_of_here_that_does_not_answer_is_told_of_with_how_to_start_it(bootstrap: str) -> None:
    said = f"Kafka at {bootstrap} does not answer: refused (circulation kafka start starts one here)"
    assert said == silent(bootstrap, "refused")


@pytest.mark.parametrize("bootstrap", ["kafka.example:9092", "127.0.0.1:9093", "127.0.0.1:9092,127.0.0.1:9093"])
def test_another_kafka_that_does_not_answer_is_not_ours_to_start(bootstrap: str) -> None:
    assert f"Kafka at {bootstrap} does not answer: refused" == silent(bootstrap, "refused")
