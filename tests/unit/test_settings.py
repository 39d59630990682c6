"""Settings: one table, all that is wrong at once, and no password where people look."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.settings import PREFIX, SETTINGS, Settings, SettingsInvalid, explain, hide_password


def test_nothing_set_gives_the_defaults_of_the_contract():
    found = Settings.read({})

    assert "127.0.0.1:9092" == found.kafka
    assert "sqlite:///circulation.db" == found.store
    assert ("wall", "beijing", None, None) == (found.clock, found.pack, found.sources, found.rules)
    assert ("127.0.0.1", 6066) == (found.web_host, found.web_port)


def test_the_table_and_the_settings_are_the_same():
    assert [field.name for field in dataclasses.fields(Settings)] == [setting.name for setting in SETTINGS]
    assert all(setting.variable in explain() and setting.meaning in explain() for setting in SETTINGS)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(SettingsInvalid) as caught:
        Settings.read(
            {
                "CIRCULATION_CLOCK": "sun",
                "CIRCULATION_KAFKA": "localhost",
                "CIRCULATION_JUDGE_BATCH": "0",
                "CIRCULATION_SOURCES": "/nowhere/sources.yaml",
                "CIRCULATION_STROE": "x",
                "HOME": "/elsewhere",
            }
        )

    assert ["KAFKA", "CLOCK", "SOURCES", "JUDGE_BATCH", "STROE"] == [
        problem.split()[0].removeprefix(PREFIX) for problem in caught.value.problems
    ]
    assert "CIRCULATION_CLOCK must be one of wall, events, got 'sun'" in str(caught.value)


def test_the_folder_of_test_data_is_no_unknown_setting():
    assert Settings.read({}) == Settings.read({"CIRCULATION_TEST_DATA": "somewhere"})


def test_an_empty_variable_is_the_same_as_none():
    assert Settings.read({}) == Settings.read({setting.variable: "" for setting in SETTINGS})


@pytest.mark.parametrize(
    ("given_", "good"), [("0", False), ("1", True), ("200", True), ("100000", True), ("100001", False)]
)
def test_numbers_have_limits(given_, good):
    environ = {"CIRCULATION_JUDGE_BATCH": given_}
    if good:
        assert int(given_) == Settings.read(environ).judge_batch
    else:
        with pytest.raises(SettingsInvalid, match="from 1 to 100000"):
            Settings.read(environ)


@pytest.mark.parametrize("number", ["-1", "1.5", "1e3", " 7", "٣", "9" * 5_000, "0x10", "1_000"])
def test_a_number_is_written_in_digits(number):
    with pytest.raises(SettingsInvalid, match="SEEN_DAYS must be a whole number"):
        Settings.read({"CIRCULATION_SEEN_DAYS": number})


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("mysql://host/name", "must begin with"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("postgresql://host", "must name a database"),
        ("nonsense", "is no address"),
    ],
)
def test_a_store_that_cannot_be_is_refused(store, problem):
    with pytest.raises(SettingsInvalid, match=problem):
        Settings.read({"CIRCULATION_STORE": store})


@pytest.mark.parametrize("web", ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", ":6066", "a b:1", "[::1]6066"])
def test_an_address_is_a_host_and_a_port(web):
    with pytest.raises(SettingsInvalid, match="CIRCULATION_WEB must be host:port"):
        Settings.read({"CIRCULATION_WEB": web})


def test_an_ipv6_address_loses_its_brackets():
    assert ("::1", 80) == (
        Settings.read({"CIRCULATION_WEB": "[::1]:80"}).web_host,
        Settings.read({"CIRCULATION_WEB": "[::1]:80"}).web_port,
    )


def test_files_are_found(tmp_path):
    path = tmp_path / "sources.yaml"
    path.touch()

    assert path == Settings.read({"CIRCULATION_SOURCES": str(path)}).sources


@given(password=st.from_regex(r"[A-Z0-9]{12,20}", fullmatch=True), form=st.integers(0, 3))
def test_a_password_is_in_no_repr_and_no_error(password, form):
    store = [
        f"postgresql://me:{password}@host/name",
        f"postgresql://me@host/name?password={password}",
        f"mysql://me:{password}@host/name",
        f"postgresql://me:{password}@@host:port/name",
    ][form]
    try:
        found = Settings.read({"CIRCULATION_STORE": store})
    except SettingsInvalid as error:
        said = str(error)
    else:
        said = repr(found) + found.store_shown + hide_password(store)

    assert password not in said
