"""The engines beside which the worker is measured: of the broker's version, and fetched as it is."""

from pathlib import Path
from xml.etree import ElementTree

from deploy import kafka

POM = Path(__file__).resolve().parents[2] / "benchmarks" / "peers" / "pom.xml"


def test_kafka_streams_is_of_the_version_of_the_broker():
    assert kafka.version() == ElementTree.parse(POM).findtext("{*}properties/{*}kafka.version")


def test_each_dependency_is_pinned():
    pom = ElementTree.parse(POM)
    versions = [pom.findtext(f"{{*}}properties/{{*}}{name}") for name in ("kafka.version", "log4j.version")]
    dependencies = pom.findall(".//{*}dependency") + pom.findall(".//{*}plugin")
    versions += [one.findtext("{*}version") for one in dependencies]
    assert len(versions) == 7
    assert all(version and version[0] in "0123456789$" for version in versions)
