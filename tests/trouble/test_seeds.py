"""What the original's documents promise and was missing: names, bundles, metrics, examples."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from loom_py.compat import import_name
from tests.seed_blocks import blocks
from tools import paths


class Environment:
    """A Python environment of its own that sees this checkout and the packages of the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        (self.packages,) = folder.glob("lib/python*/site-packages")
        seen = f"{paths.REPOSITORY}\n{sysconfig.get_path('purelib')}\n"
        (self.packages / "seen.pth").write_text(seen, encoding="utf-8")

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [str(self.python), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.packages.parent)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("environment"))


# Source: the trouble table, `import welvet`.
def test_the_block_runs_as_a_script_after_one_command(environment: Environment, tmp_path: Path) -> None:
    script = tmp_path / "quick_example.py"
    (block,) = (b for b in blocks("readme", "python") if b.name == "readme: Quick Example")
    script.write_text(block.code, encoding="utf-8")
    assert "No module named 'welvet'" in environment.run(script).stderr
    first = environment.run("-m", "loom_py", "welvet")
    assert "`import welvet` now gives loom_py.simple" in first.stdout, first.stderr
    done = environment.run(script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Epoch 1: loss = ")
    assert "unknown again" in environment.run("-m", "loom_py", "welvet", "--remove").stdout
    assert "No module named 'welvet'" in environment.run(script).stderr


# Sibling: the original's package, installed before or after, is what its name gives.
def test_the_originals_package_is_not_hidden(environment: Environment) -> None:
    environment.run("-m", "loom_py", "welvet")
    original = environment.packages / "welvet"
    original.mkdir()
    (original / "__init__.py").write_text("author = 'the original'\n", encoding="utf-8")
    try:
        for code in ("import welvet", "import loom_py; loom_py.provide_welvet(); import welvet"):
            assert environment.run("-c", f"{code}; print(welvet.author)").stdout == "the original\n"
        environment.run("-m", "loom_py", "welvet", "--remove")
        record = json.loads(environment.run("-m", "loom_py", "welvet", "--json").stdout)
        assert record == {"file": str(original / "__init__.py"), "installed": False}
        assert not (environment.packages / "welvet.py").exists()
    finally:
        (original / "__init__.py").unlink()
        original.rmdir()


# Sibling: a module of the user's own with that name is neither overwritten nor removed.
def test_another_module_of_that_name_stays(environment: Environment) -> None:
    own = environment.packages / "welvet.py"
    own.write_text("mine = 1\n", encoding="utf-8")
    try:
        assert "stays" in environment.run("-m", "loom_py", "welvet").stdout
        assert "nothing to remove" in environment.run("-m", "loom_py", "welvet", "--remove").stdout
        assert own.read_text(encoding="utf-8") == "mine = 1\n"
    finally:
        own.unlink()


# Sibling: in a notebook, where no file can be written.
def test_one_call_in_a_process(environment: Environment) -> None:
    code = "import loom_py\nloom_py.provide_welvet()\nfrom welvet import create_network_from_json\nimport welvet"
    done = environment.run("-c", f"{code}\nprint(welvet is loom_py.simple)")
    assert done.stdout == "True\n", done.stderr


def test_provide_and_withdraw() -> None:
    import_name.provide()
    import_name.provide()
    finders = [f for f in sys.meta_path if type(f).__module__ == import_name.__name__]
    assert len(finders) == 1
    assert finders[0] is sys.meta_path[-1]
    import_name.withdraw()
    import_name.withdraw()
    assert "welvet" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        __import__("welvet")
