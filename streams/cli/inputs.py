"""The inputs of commands: settings, files of events, rule packs, sources."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from circulation.words import many
from streams.cli.groups import Refused

if TYPE_CHECKING:
    from circulation.admission.admission import Admission
    from circulation.admission.sources import Sources
    from circulation.packs.pack import Pack
    from circulation.voices import Voices
    from streams.settings import Settings
    from streams.wire.files import Record


def configured() -> "Settings":
    from streams.settings import Settings, SettingsInvalid

    try:
        return Settings.read(os.environ)
    except SettingsInvalid as error:
        raise Refused(str(error)) from error


def readable(path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def events_of(path: Path, *, warn: bool = True) -> "tuple[Iterable[bytes | Record], int | None, str]":
    """Open a path: lines, or the records of an archive; with their total and its unit, as far as known.

    `warn` says what an archive lacks.
    """
    from streams.wire.files import lines_of

    if path.is_dir() or path.suffix == ".parquet":
        from streams.offline.archive_checks import breaks
        from streams.offline.archive_files import spans
        from streams.offline.archive_records import inputs, records

        try:
            event_spans = inputs(all_spans := spans(path))
        except OSError as error:
            raise Refused(f"cannot read {error}") from error
        if not event_spans:
            topics = ", ".join(sorted({span.topic for span in all_spans}))
            raise Refused(f"{path} holds no input topic, but {topics}: there is nothing to judge")
        for problem in breaks(event_spans) if warn else ():
            click.echo(f"warning: {problem}", err=True)
        return records(event_spans), sum(span.records for span in event_spans), "records"
    readable(path)
    known = path.suffix not in (".gz", ".zst") and path.is_file()
    return lines_of(path), path.stat().st_size if known else None, "bytes" if known else "lines"


def _raw(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}") from error


def read_rules(path: Path) -> "Pack":
    import detectors
    from circulation.packs.problems import PackInvalid
    from streams.facts.rulebook import read_pack

    try:
        return read_pack(_raw(path), detectors.RULES)
    except PackInvalid as error:
        raise Refused("\n".join(f"{path}: {problem}" for problem in error.problems)) from error


def admission_of_settings(*, offline: bool = False) -> "Admission":
    """Admission by the settings; `offline` every source is an official's where nothing else is set."""
    from circulation.admission.admission import Admission

    sources = _sources()
    return Admission(sources, _voices(sources, offline=offline))


def voices_of_settings() -> "Voices":
    """The official sources of the settings."""
    return _voices(_sources(), offline=False)


def _sources() -> "Sources | None":
    path = os.environ.get("CIRCULATION_SOURCES")
    if not path:
        return None
    from circulation.admission.sources import Sources, SourcesInvalid

    try:
        return Sources.parse(_raw(Path(path)))
    except SourcesInvalid as error:
        raise Refused("\n".join(f"CIRCULATION_SOURCES {path}: {line}" for line in error.problems)) from error


def _voices(sources: "Sources | None", *, offline: bool) -> "Voices":
    from circulation.voices import LATE_SECONDS, OFFICIALS, Voices
    from streams.settings import late_seconds, official_sources

    try:
        text = os.environ.get("CIRCULATION_OFFICIAL_SOURCES") or ("" if offline else OFFICIALS)
        officials = official_sources(text).split(",") if text else None
    except ValueError as error:
        raise Refused(f"CIRCULATION_OFFICIAL_SOURCES {error}") from error
    try:
        late = late_seconds(os.environ.get("CIRCULATION_LATE_SECONDS") or str(LATE_SECONDS))
    except ValueError as error:
        raise Refused(f"CIRCULATION_LATE_SECONDS {error}") from error
    return Voices(officials, late_seconds=late) if sources is None else sources.voices(officials, late)


def named(pack: "Pack") -> str:
    return (
        f"pack {pack.pack}, version {pack.version}, {many(len(pack.negative_list), 'entry', 'entries')}, "
        f"{many(len(pack.detectors), 'detector')} set, digest {pack.digest}"
    )
