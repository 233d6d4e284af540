"""build_pyodide.sh itself: whatever is missing, its last line is one sentence that says what to do."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import paths

SCRIPT = paths.REPOSITORY / "build_pyodide.sh"
BASICS = ("bash", "sh", "env", "dirname", "mkdir", "tail", "cat", "rm", "touch", "id", "find", "flock")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script alone in a folder, with a path that has only the basics."""
    folder = tmp_path / "repository"
    folder.mkdir()
    shutil.copy(SCRIPT, folder)
    (folder / "requirements.lock").write_text("no-such-package-at-all==1.0 --hash=sha256:" + "0" * 64 + "\n")
    (folder / "package-lock.json").write_text("{}")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in BASICS:
        executable = shutil.which(name)
        if executable:
            (programs / name).symlink_to(executable)
    return folder


def program(copy: Path, name: str, body: str) -> None:
    path = copy.parent / "bin" / name
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def python(copy: Path, instead: str = "") -> None:
    program(copy, "python3", f'{instead}\nexec {sys.executable} "$@"')


def run(copy: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(copy / "build_pyodide.sh"), *arguments],
        env={"PATH": str(copy.parent / "bin"), "HOME": str(copy.parent), "LC_ALL": "C.UTF-8"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def last_sentence(result: subprocess.CompletedProcess[str]) -> str:
    """The one error line, which is the last output."""
    assert result.returncode != 0
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.stderr
    assert result.stderr.splitlines()[-1] == errors[0]
    assert errors[0].endswith(".")
    return errors[0].removeprefix("error: ")


def test_help_needs_nothing(copy: Path) -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        result = run(copy, *arguments)
        assert result.returncode == 0
        for word in ("build", "serve", "check", "test", "clean", "LOOM_WHEELS"):
            assert word in result.stdout


def test_an_unknown_command(copy: Path) -> None:
    assert last_sentence(run(copy, "bulid")) == "there is no command «bulid»; choose one of those above."


def test_no_python_and_old_python(copy: Path) -> None:
    assert last_sentence(run(copy, "build")).startswith("python3 3.11 or newer is missing; install it")
    program(copy, "python3", "exit 1")  # as an older one answers the version check
    assert last_sentence(run(copy, "build")).startswith("python3 3.11 or newer is missing; install it")


def test_no_node_old_node_no_npm(copy: Path) -> None:
    python(copy)
    assert last_sentence(run(copy, "build")).startswith("node is missing; install Node.js 20")
    program(copy, "node", '[ "$1" = --version ] || exit 1; echo v18.0.0')
    assert last_sentence(run(copy, "build")).startswith("node v18.0.0 is too old; install Node.js 20")
    program(copy, "node", "exit 0")
    assert last_sentence(run(copy, "build")).startswith("npm is missing; install it")


def test_a_cache_that_cannot_be_written(copy: Path) -> None:
    python(copy)
    program(copy, "node", "exit 0")
    program(copy, "npm", "exit 0")
    (copy.parent / "file").touch()
    sentence = last_sentence(run(copy, "build", XDG_CACHE_HOME=str(copy.parent / "file")))
    assert sentence.startswith(f"the cache folder {copy.parent}/file/loom cannot be written; ")


def test_no_venv_module(copy: Path) -> None:
    python(copy, 'if [ "$1" = -m ]; then echo no ensurepip; exit 1; fi')
    program(copy, "node", "exit 0")
    program(copy, "npm", "exit 0")
    result = run(copy, "build")
    assert last_sentence(result).startswith("the Python module venv is missing or broken; install it")
    assert "no ensurepip" in result.stderr


def test_pip_that_cannot_install_is_tried_again_next_time(copy: Path) -> None:
    """An environment that was not finished is never trusted."""
    pip = "#!/bin/sh\\necho pip: no index; exit 1\\n"
    fake = f'mkdir -p "$3/bin"; printf \'{pip}\' >"$3/bin/python"; chmod +x "$3/bin/python"; exit 0'
    python(copy, f'if [ "$1" = -m ]; then {fake}; fi')
    (copy.parent / "bin/chmod").symlink_to(shutil.which("chmod") or "/bin/chmod")
    program(copy, "node", "exit 0")
    program(copy, "npm", "exit 0")
    for _ in range(2):
        result = run(copy, "build")
        assert last_sentence(result).startswith("pip could not install requirements.lock; give it access")
        assert "pip: no index" in result.stderr
        assert "Python environment" in result.stdout


def test_a_chromium_that_cannot_be_run(copy: Path) -> None:
    text = (copy / "build_pyodide.sh").read_text()
    (copy / "build_pyodide.sh").write_text(text.replace("    build\n    find_chromium", "    find_chromium"))
    sentence = last_sentence(run(copy, "test", "-q", LOOM_CHROMIUM="/no/such/program"))
    assert sentence.startswith("LOOM_CHROMIUM names /no/such/program, which cannot be run;")


def everything_installs(copy: Path, *findings: str) -> None:
    """An environment whose tools print their names; those named in `findings` fail."""
    failing = "".join(f'*"{name}"*) exit 1 ;; ' for name in findings)
    tool = f'echo "TOOL $*"; case "$*" in {failing}esac'
    program(copy, "tool", tool)
    program(copy, "clang-format", 'exec tool clang-format "$@"')
    bin_folder = "../../../../bin"
    links = f'ln -s {bin_folder}/tool "$3/bin/python"; ln -s {bin_folder}/clang-format "$3/bin/clang-format"'
    install = f'mkdir -p "$3/bin"; {links}'
    python(copy, f'if [ "$1 $2" = "-m venv" ]; then {install}; exit 0; fi')
    program(copy, "node", "exit 0")
    program(copy, "npm", "mkdir -p node_modules")
    program(copy, "npx", 'exec tool "$@"')
    (copy.parent / "bin/ln").symlink_to(shutil.which("ln") or "/bin/ln")


CHECKS = ("ruff check", "ruff format", "pyright", "tsc", "prettier", "clang-format")


def test_check_runs_every_checker(copy: Path) -> None:
    everything_installs(copy)
    result = run(copy, "check")
    assert result.returncode == 0, result.stderr
    ran = [line for line in result.stdout.splitlines() if line.startswith("TOOL")]
    assert len(ran) == len(CHECKS)
    assert all(name in line for name, line in zip(CHECKS, ran, strict=True))


# Found by attack: a first start in surroundings that somebody else has set up.
@pytest.mark.parametrize("home", ["", None])
def test_without_a_home_it_is_the_systems(copy: Path, home: str | None) -> None:
    python(copy)
    program(copy, "node", 'echo "home $HOME"; exit 1')
    command = ["/usr/bin/env", *(["-u", "HOME"] if home is None else ["HOME="]), "/bin/bash"]
    environment = {"PATH": str(copy.parent / "bin"), "HOME": "x"}
    for argument in ("--help", "build"):
        line = [*command, str(copy / "build_pyodide.sh"), argument]
        result = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert "unbound" not in result.stderr
    assert f"home {pwd.getpwuid(os.getuid()).pw_dir}" in result.stdout


def test_a_python_in_a_folder_with_a_space(copy: Path) -> None:
    folder = copy.parent / "my python"
    python(copy)
    folder.mkdir()
    (copy.parent / "bin/python3").rename(folder / "python3")
    sentence = last_sentence(run(copy, "build", LOOM_PYTHON=str(folder / "python3")))
    assert sentence.startswith("node is missing")
    for wrong in (str(folder / "python4"), "/bin/false"):
        sentence = last_sentence(run(copy, "build", LOOM_PYTHON=wrong))
        assert sentence.startswith(f"LOOM_PYTHON names {wrong}, which is no Python 3.11 or newer;")


def test_a_relative_cache_is_made_absolute(copy: Path) -> None:
    everything_installs(copy)
    result = run(copy, "check", XDG_CACHE_HOME="../.cache")
    assert result.returncode == 0, result.stderr
    assert f"--pythonpath {copy}/../.cache/loom/venv-" in result.stdout


def test_settings_of_other_projects_do_not_reach_the_environment(copy: Path) -> None:
    everything_installs(copy)
    pip = 'case "$*" in "-m pip"*) [ "$PIP_USER" = 0 ] || exit 1 ;; esac'
    program(copy, "tool", f'{pip}; [ -z "$PYTHONPATH$PYTHONHOME$PYTHONSAFEPATH" ]')
    program(copy, "npm", 'case "$*" in *--include=dev*) mkdir -p node_modules ;; *) exit 1 ;; esac')
    settings = {"PIP_USER": "1", "NODE_ENV": "production", "PYTHONPATH": "/opt/other", "CDPATH": "/"}
    result = run(copy, "check", **settings, PYTHONHOME="/opt/other", PYTHONSAFEPATH="1")
    assert result.returncode == 0, result.stderr


def test_check_continues_after_a_finding_and_names_all(copy: Path) -> None:
    everything_installs(copy, "ruff format", "prettier")
    result = run(copy, "check")
    assert last_sentence(result) == "ruff format, prettier found something; mend what is named above."
    assert sum(line.startswith("TOOL") for line in result.stdout.splitlines()) == len(CHECKS)


def test_test_checks_before_it_builds(copy: Path) -> None:
    everything_installs(copy, "pyright")
    result = run(copy, "test")
    assert last_sentence(result) == "pyright found something; mend what is named above."
    assert "tools.site" not in result.stdout


def test_an_unforeseen_failure_is_a_sentence_too(copy: Path) -> None:
    text = (copy / "build_pyodide.sh").read_text()
    (copy / "build_pyodide.sh").write_text(text.replace("check_prerequisites\n    lock", "false\n    lock"))
    assert "the command «false» failed in build_pyodide.sh line" in last_sentence(run(copy, "build"))


def test_clean_removes_what_was_built(copy: Path) -> None:
    for name in ("dist", "node_modules", "loom_py/__pycache__", "web"):
        (copy / name).mkdir(parents=True)
    cache = copy.parent / ".cache/loom"
    cache.mkdir(parents=True)
    assert run(copy, "clean").returncode == 0
    assert sorted(p.name for p in copy.iterdir() if p.is_dir()) == ["loom_py", "web"]
    assert not (copy / "loom_py/__pycache__").exists()
    assert cache.exists()
    assert run(copy, "clean", "--all").returncode == 0
    assert not cache.exists()


def test_the_servers_own_failures_are_one_sentence(tmp_path: Path) -> None:
    """The Python tools report failures in the same form."""
    for arguments, words in (
        ([str(tmp_path / "nowhere")], "there is no folder"),
        ([str(tmp_path), "--port", "70000"], "--port 70000 is no port"),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "tools.serve", *arguments],
            cwd=paths.REPOSITORY,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert words in last_sentence(result)


@pytest.mark.parametrize(
    ("failing", "words"),
    [
        (["-m pytest -m not browser"], "the tests outside browsers failed;"),
        (["-m browser"], "the tests in browsers failed;"),
        (["-m pytest -m not browser", "-m browser"], "the tests outside browsers, the tests in browsers failed;"),
    ],
)
def test_both_halves_of_the_tests_count(copy: Path, failing: list[str], words: str) -> None:
    everything_installs(copy, *failing)
    result = run(copy, "test", LOOM_CHROMIUM="/bin/true")
    assert last_sentence(result).startswith(words)
    assert result.stdout.count("TOOL -m pytest -p no:cacheprovider -m browser --share=") == 2
    assert not list((copy.parent / ".cache/loom").glob("shared-*"))
    assert "TOOL -m pytest -m not browser" in result.stdout
