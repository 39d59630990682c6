"""A skeleton of a detector runs as it is, marks what is left, and is written over nothing."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import orjson
import pytest

import detectors
from circulation.admission.admission import Admission
from circulation.examples import agrees
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.cli import skeleton
from streams.engine import Engine
from streams.offline.replay import Replay
from streams.store.store import Store

ROOT = Path(__file__).resolve().parents[2]
LONGEST = "a" * 128
NO_IDS = [
    "",
    "Nil-price",
    "nil_price",
    "nil price",
    "nil--price",
    "-nil",
    "nil-",
    "1nil",
    "nil/price",
    "../nil",
    "价格",
]
NO_IDS += ["class", LONGEST + "a", "nil\n"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "detectors"
    made.mkdir()
    (made / "__init__.py").touch()
    return made


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_skeleton_has_its_parts_and_marks_what_is_left(folder: Path) -> None:
    path = skeleton.make("nil-price", folder)
    assert folder / "nil_price.py" == path
    module = loaded(path)
    assert "nil-price" == module.RULE.id
    advice = detectors.advice(module.__doc__)
    assert all(skeleton.MARK in part for part in (advice.why, advice.false_positives, advice.what_to_do))
    assert "" == advice.more
    assert [True, False, True] == [bool(case.fires) for case in module.CASES]


def test_the_cases_of_a_skeleton_find_what_they_say(folder: Path) -> None:
    module = loaded(skeleton.make("nil-price", folder))
    rules = {**detectors.RULES, module.RULE.id: module.RULE}
    for case in module.CASES:
        store = Store("sqlite://")
        engine = Engine(store, parse_pack(case.rules, published=False, known=parameters(rules)), rules=rules)
        Replay(engine, Admission()).run(map(orjson.dumps, case.events))
        with store.reading() as db:
            rows = db.rows("select data from findings where standing and detector = ?", module.RULE.id)
        found = [orjson.loads(row[0]) for row in rows]
        assert len(case.fires) == len(found)
        assert all(map(agrees, case.fires, found))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("nothing_there", "", "a detector has a RULE"), ("other_price", None, "must be `other-price`, got `nil-price`")],
)
def test_a_file_that_is_no_detector_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str | None, said: str
) -> None:
    made = skeleton.make("nil-price", folder)
    made.rename(folder / f"{name}.py")
    if text is not None:
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(detectors, "__path__", [str(folder)])
    with pytest.raises(ImportError, match=f"detectors/{name}.py: .*{said}"):
        detectors._modules()
    del sys.modules[f"detectors.{name}"]


@pytest.mark.parametrize("id_", ["nil-price", "a", LONGEST])
def test_the_tools_have_nothing_to_say_of_a_skeleton(folder: Path, id_: str) -> None:
    path = skeleton.make(id_, folder)
    for tool in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *tool, "--config", str(ROOT / "pyproject.toml"), str(path)]
        ran = subprocess.run(command, capture_output=True, text=True)
        assert 0 == ran.returncode, ran.stdout


@pytest.mark.parametrize("id_", NO_IDS)
def test_what_is_no_id_is_refused(folder: Path, id_: str) -> None:
    with pytest.raises(skeleton.Refused, match="is no id of a detector"):
        skeleton.make(id_, folder)
    assert ["__init__.py"] == [one.name for one in folder.iterdir()]


def test_what_is_there_is_left_alone(folder: Path) -> None:
    (folder / "nil_price.py").write_text("mine")
    with pytest.raises(skeleton.Refused, match=r"there is a detector nil-price already: .*nil_price\.py"):
        skeleton.make("nil-price", folder)
    assert "mine" == (folder / "nil_price.py").read_text()
    (folder / "several_rules").mkdir()
    (folder / "several_rules" / "__init__.py").touch()
    with pytest.raises(skeleton.Refused, match=r"there is a detector several-rules already: .*several_rules/"):
        skeleton.make("several-rules", folder)
    assert not (folder / "several_rules.py").exists()


@pytest.mark.parametrize("id_", detectors.RULES)
def test_a_message_names_the_file_that_a_detector_is_in(id_: str) -> None:
    place = ROOT / detectors.file_of(id_)
    assert (place / "__init__.py" if place.is_dir() else place) == Path(str(detectors.MODULES[id_].__file__))


def test_another_folder_than_that_of_detectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(skeleton.Refused, match="is not the folder of the detectors"):
        skeleton.make("nil-price", tmp_path)


def ran(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streams.cli.skeleton", *arguments]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)


def test_the_command_says_in_one_screen_what_is_left_and_names_what_there_is(folder: Path) -> None:
    done = ran(folder, "nil-price")
    assert (0, "") == (done.returncode, done.stderr)
    assert (folder / "nil_price.py").is_file()
    assert len(done.stdout.splitlines()) <= 24
    assert max(map(len, done.stdout.splitlines())) <= 100
    named = {word.rstrip(",.:") for word in done.stdout.split() if "/" in word and not word.startswith(".venv")}
    assert [] == [one for one in named - {"detectors/nil_price.py"} if not (ROOT / one).exists()]


def test_the_command_refuses_in_one_line(folder: Path) -> None:
    for arguments in ([], [""], ["nil_price"], ["a", "b"]):
        refused = ran(folder, *arguments)
        assert (2, "", 1) == (refused.returncode, refused.stdout, len(refused.stderr.splitlines()))
    assert "make detector NAME=nil-price" in ran(folder).stderr
