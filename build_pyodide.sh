#!/usr/bin/env bash
# From a fresh machine to the running site. Needs python3 >= 3.11, node >= 20 and npm; gets everything else itself.
set -Eeuo pipefail
unset CDPATH PYTHONHOME PYTHONPATH PYTHONSAFEPATH # what runs here is what the lock files name
cd "$(dirname "${BASH_SOURCE[0]}")"
[ -n "${HOME:-}" ] || { unset HOME; export HOME=~; } # as the system's list of users has it

usage() {
    cat <<'END'
Usage: ./build_pyodide.sh COMMAND

  build                 make the environment, provide the runtime and the models, assemble the site in dist/
  serve [--port N]      build what is not up to date, then serve the site on this machine (port 8000)
  check                 lint, check formatting and types; builds nothing
  test [PYTEST ARGS]    check, build and run the tests; with arguments leave out the checks and hand them to pytest
  soak [--minutes N]    build, then run all fuzzers and soaks with a seed that is printed (10 minutes; --help for the choices)
  bench [--quick] [...] build, then measure LOOM beside its rivals in Chromium (16 minutes; --help for the choices)
  clean [--all]         remove what was built in the repository; with --all the caches too
  --help                show this

Settings (environment variables)
  LOOM_WHEELS=DIR       a folder with a NumPy wheel for Pyodide, taken before any other source
  LOOM_MODEL=none       build the site without models
  LOOM_PYTHON=PROGRAM   the Python to make the environment with
  LOOM_CHROMIUM=FILE    the Chromium for the browser tests
  XDG_CACHE_HOME=DIR    where caches go, in a folder named loom (default ~/.cache)
END
}

export XDG_CACHE_HOME="${XDG_CACHE_HOME:-$HOME/.cache}"
case "$XDG_CACHE_HOME" in /*) ;; *) XDG_CACHE_HOME="$PWD/$XDG_CACHE_HOME" ;; esac
CACHE="$XDG_CACHE_HOME/loom"
PYTHON=""   # the environment's python, once it is there
LOG="$CACHE/logs/command.txt"

say() { printf '==> %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; trap - ERR; exit 1; }
unforeseen() { # in the main shell only, so that one failure is told once
    ((BASH_SUBSHELL)) || fail "the command «$2» failed in build_pyodide.sh line $1; the words above say why, so mend that and run it again."
}
trap 'unforeseen "$LINENO" "$BASH_COMMAND"' ERR

# try SENTENCE COMMAND...: run quietly; when it fails, show the end of its output and then the sentence.
try() {
    local sentence="$1"
    shift
    mkdir -p "$(dirname "$LOG")"
    if ! "$@" >"$LOG" 2>&1 </dev/null; then
        tail -n 15 "$LOG" >&2
        fail "$sentence"
    fi
}

# tool MODULE [ARGS...]: one of our Python tools; it says itself, in one sentence, why it failed.
tool() { PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m "tools.$@" || { local status=$?; trap - ERR; exit "$status"; }; }

sha256() { "$1" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read() + sys.version.encode()).hexdigest()[:16])' "$2"; }

find_python() {
    local name names=("${LOOM_PYTHON:-}")
    [ -n "${LOOM_PYTHON:-}" ] || names=(python3 python3.14 python3.13 python3.12 python3.11)
    for name in "${names[@]}"; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
}

check_prerequisites() {
    SYSTEM_PYTHON="$(find_python)"
    [ -n "$SYSTEM_PYTHON" ] || [ -z "${LOOM_PYTHON:-}" ] || fail "LOOM_PYTHON names $LOOM_PYTHON, which is no Python 3.11 or newer; name another program or none."
    [ -n "$SYSTEM_PYTHON" ] || fail "python3 3.11 or newer is missing; install it (Debian: apt-get install python3 python3-venv) and run this again."
    command -v node >/dev/null || fail "node is missing; install Node.js 20 or newer and run this again."
    node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || fail "node $(node --version) is too old; install Node.js 20 or newer and run this again."
    command -v npm >/dev/null || fail "npm is missing; install it (it comes with Node.js) and run this again."
    mkdir -p "$CACHE" 2>/dev/null && [ -w "$CACHE" ] || fail "the cache folder $CACHE cannot be written; give access to it or name another with XDG_CACHE_HOME."
}

# One run at a time: two would install into the same environment.
lock() {
    command -v flock >/dev/null || return 0
    exec 9>"$CACHE/lock"
    flock -n 9 || { say "Waiting for another run to finish"; flock 9; }
}
unlock() { exec 9>&-; }

make_venv() {
    local venv
    venv="$CACHE/venv-$(sha256 "$SYSTEM_PYTHON" requirements.lock)"
    PYTHON="$venv/bin/python"
    [ -f "$venv/complete" ] && return
    say "Python environment: $venv (about a minute)"
    rm -rf "$venv"
    try "the Python module venv is missing or broken; install it (Debian: apt-get install python3-venv) and run this again." \
        "$SYSTEM_PYTHON" -m venv "$venv"
    try "pip could not install requirements.lock; give it access to a package index and run this again." \
        env PIP_USER=0 "$PYTHON" -m pip install --disable-pip-version-check --no-input --require-hashes -r requirements.lock
    touch "$venv/complete"
}

make_node_modules() { # [FOLDER [WHAT]]
    local folder="${1:-.}" stamp
    stamp="$(sha256 "$SYSTEM_PYTHON" "$folder/package-lock.json")"
    [ "$(cat "$folder/node_modules/.loom-stamp" 2>/dev/null || true)" = "$stamp" ] && return
    say "npm packages${2:+ $2}"
    try "npm could not install $folder/package-lock.json; give it access to a registry and run this again." \
        npm ci --prefix "$folder" --include=dev --ignore-scripts --no-audit --no-fund --prefer-offline --cache "$CACHE/npm"
    printf '%s' "$stamp" >"$folder/node_modules/.loom-stamp"
}

build() {
    check_prerequisites
    lock
    make_venv
    make_node_modules
    tool site
    unlock
}

# All checks that need no build. Each of them runs, so that one reading of the output shows everything there is to mend.
run_checks() {
    check_prerequisites
    lock
    make_venv
    make_node_modules
    unlock
    local failed=() c_files
    mapfile -t c_files < <(find simd bench/pages -name '*.[ch]')
    one_check "ruff check" "$PYTHON" -m ruff check .
    one_check "ruff format" "$PYTHON" -m ruff format --check .
    one_check pyright "$PYTHON" -m pyright --pythonpath "$PYTHON"
    one_check tsc npx --no-install tsc -b
    one_check prettier npx --no-install prettier --check .
    one_check clang-format "${PYTHON%/*}/clang-format" --dry-run --Werror "${c_files[@]}"
    ((${#failed[@]} == 0)) || fail "$(join_words "${failed[@]}") found something; mend what is named above."
}
join_words() { local words; words="$(printf '%s, ' "$@")"; printf '%s' "${words%, }"; }
one_check() { # NAME COMMAND...: adds NAME to `failed` when the command fails
    say "$1"
    "${@:2}" || failed+=("$1")
}

# A Chromium for the browser tests: the user's, the system's, Playwright's own, or Debian's.
find_chromium() {
    local name
    if [ -n "${LOOM_CHROMIUM:-}" ]; then
        [ -x "$LOOM_CHROMIUM" ] || fail "LOOM_CHROMIUM names $LOOM_CHROMIUM, which cannot be run; name the Chromium program itself."
        return
    fi
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null; then
            LOOM_CHROMIUM="$(command -v "$name")"
            export LOOM_CHROMIUM
            return
        fi
    done
    "$PYTHON" -c 'import sys
from playwright.sync_api import sync_playwright
from pathlib import Path
with sync_playwright() as p: sys.exit(not Path(p.chromium.executable_path).exists())' 2>/dev/null && return
    say "Chromium for the browser tests (about 150 MB)"
    "$PYTHON" -m playwright install chromium && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        try "no Chromium could be installed; install one and name it in LOOM_CHROMIUM." \
            sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends chromium'
        LOOM_CHROMIUM="$(command -v chromium)"
        export LOOM_CHROMIUM
        return
    fi
    fail "a Chromium for the browser tests is missing; install one and name it in LOOM_CHROMIUM."
}

# A Vulkan driver for the tests of shaders outside a browser; Debian has one that runs on the CPU.
find_vulkan() {
    "$PYTHON" -c 'import sys
from loom_py.runtime.webgpu.wgpu_host import adapters
sys.exit(not adapters())' 2>/dev/null && return
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        say "Vulkan driver for the shader tests (about 40 MB)"
        try "no Vulkan driver could be installed; install one (Debian: apt-get install mesa-vulkan-drivers) and run this again." \
            sh -c 'apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mesa-vulkan-drivers'
        return
    fi
    fail "a Vulkan driver for the shader tests is missing; install one (Debian: apt-get install mesa-vulkan-drivers) and run this again."
}

run_tests() {
    [ $# -gt 0 ] || run_checks
    build
    find_chromium
    find_vulkan
    if [ $# -gt 0 ]; then
        say "pytest $*"
        "$PYTHON" -m pytest "$@" || fail "the tests failed; the words above say which."
    else
        run_all_tests
    fi
}

# The tests in browsers run beside the others; when those are through, a second run takes its share of the files that are left.
run_all_tests() {
    local log="$CACHE/logs/browser-tests.txt" failed=() in_browsers=0
    local browser_tests=("$PYTHON" -m pytest -p no:cacheprovider -m browser "--share=$CACHE/shared-$$")
    mkdir -p "${log%/*}" "$CACHE/shared-$$"
    say "pytest, beside it the tests in browsers (their words come at the end, and meanwhile go to $log)"
    "${browser_tests[@]}" >"$log" 2>&1 </dev/null &
    BROWSER_TESTS=$!
    trap 'kill "$BROWSER_TESTS" 2>/dev/null || true; rm -rf "$CACHE/shared-$$"' EXIT
    # One thread for NumPy's products: a second one would only spin while the browsers have the other processors.
    OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}" "$PYTHON" -m pytest -m "not browser" || failed+=("the tests outside browsers")
    say "pytest, the tests in browsers that are left"
    "${browser_tests[@]}" || in_browsers=1
    wait "$BROWSER_TESTS" || in_browsers=1
    ((in_browsers == 0)) || failed+=("the tests in browsers")
    rm -rf "$CACHE/shared-$$"
    trap - EXIT
    cat "$log"
    ((${#failed[@]} == 0)) || fail "$(join_words "${failed[@]}") failed; the words above say which."
}

run_soak() {
    case " $* " in *" --help "* | *" -h "*) check_prerequisites; make_venv; soak "$@"; return ;; esac
    build
    find_chromium
    soak "$@"
}
soak() { "$PYTHON" -m tests.trouble.soak "$@" || { local status=$?; trap - ERR; exit "$status"; }; }

run_bench() {
    case " $* " in *" --help "* | *" -h "*) check_prerequisites; make_venv; tool_of_bench "$@"; return ;; esac
    build
    lock
    make_node_modules bench/rivals "to measure against (800 MB, for this command only)"
    find_chromium
    unlock
    tool_of_bench "$@"
}
tool_of_bench() { PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m bench.run "$@" || { local status=$?; trap - ERR; exit "$status"; }; }

clean() {
    rm -rf dist build node_modules bench/rivals/node_modules .pytest_cache .ruff_cache .hypothesis
    find . -name __pycache__ -type d -prune -exec rm -rf {} +
    say "Removed dist/, node_modules/ and the tools' caches in the repository"
    if [ "${1:-}" = --all ]; then
        rm -rf "$CACHE"
        say "Removed $CACHE"
    fi
}

command="${1:---help}"
[ $# -gt 0 ] && shift
case "$command" in
    build) build ;;
    serve) build; exec "$PYTHON" -m tools.serve "$@" ;;
    check) run_checks ;;
    test) run_tests "$@" ;;
    soak) run_soak "$@" ;;
    bench) run_bench "$@" ;;
    clean) clean "$@" ;;
    help | -h | --help) usage ;;
    *) usage >&2; fail "there is no command «$command»; choose one of those above." ;;
esac
