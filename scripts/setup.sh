#!/usr/bin/env bash
# Brings a checkout from nothing to ready: scripts/setup.sh run|demo|dev
#
# `run` serves, `demo` adds the sandbox, `dev` adds the tools and the tests' second CLI; a larger set satisfies a smaller.
# Silent when nothing is to be done. The stamps are written last, so an interrupted set-up is done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CLI=@anthropic-ai/claude-code
readonly PYTHON_STAMP=.venv/.postern-ready PYTHON_BUSY=.venv/.postern-unfinished
readonly NODE_STAMP=node_modules/.postern-ready

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# ---- which set

rank() { case "$1" in run) echo 1 ;; demo) echo 2 ;; dev) echo 3 ;; *) echo 0 ;; esac; }

larger() { if (($(rank "$1") >= $(rank "$2"))); then echo "$1"; else echo "$2"; fi; }

stamped_set() { if [[ -f $1 ]]; then cut -d' ' -f1 "$1"; fi; }

requirement_files() {
    case "$1" in
        run) echo requirements.txt ;;
        demo) echo requirements.txt requirements-sandbox.txt ;;
        dev) echo requirements.txt requirements-dev.txt ;;
    esac
}

# The npm side has two sets only: the sandbox adds nothing to it.
npm_set() { if [[ $1 == dev ]]; then echo dev; else echo run; fi; }

# ---- stamps: "<set> <checksum of the pins and of this folder's path>" (scripts in .venv/bin name that path)

checksum() { { pwd; cat "$@"; } | sha256sum | cut -c1-64; }

# shellcheck disable=SC2046
python_stamp() { echo "$1 $(checksum $(requirement_files "$1"))"; }

node_stamp() { echo "$1 $(checksum package.json package-lock.json)"; }

write_stamp() { echo "$2" >"$1.new" && mv "$1.new" "$1"; }

is_current() { [[ -f $1 && $(<"$1") == "$2" ]]; }

python_ready() {
    [[ ! -e $PYTHON_BUSY ]] && is_current "$PYTHON_STAMP" "$(python_stamp "$(wanted_python)")" &&
        .venv/bin/python -I -c 'import pip' 2>/dev/null
}

node_ready() { is_current "$NODE_STAMP" "$(node_stamp "$(wanted_node)")" && [[ -n $(cli_binaries) ]]; }

wanted_python() { larger "$WANTED" "$(stamped_set "$PYTHON_STAMP")"; }

wanted_node() { larger "$(npm_set "$WANTED")" "$(stamped_set "$NODE_STAMP")"; }

# ---- the system's part, from apt, where it is missing: python3-venv, npm; for the tests a browser, nginx and Caddy

suitable_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        # A version manager's shim may exist and not run; Debian's python3 runs without the modules of python3-venv.
        if "$name" -c "import sys$1; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

find_python() { suitable_python ', ensurepip, venv'; }

missing_packages() {
    if [[ ! -x .venv/bin/python || -e $PYTHON_BUSY ]] && ! find_python >/dev/null; then echo python3-venv; fi
    if ! node_ready && ! npm --version >/dev/null 2>&1; then echo npm; fi
    tools_missing
}

# The tests' own: a browser, and the proxies that docs/deploy.md shows.
tools_missing() {
    local tool
    if [[ $WANTED != dev ]]; then return; fi
    for tool in chromium nginx caddy; do
        PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || echo "$tool"
    done
}

install_system_packages() {
    local packages sudo=() command
    mapfile -t packages < <(missing_packages)
    if ((${#packages[@]} == 0)); then return; fi
    command="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
    if ! command -v apt-get >/dev/null; then
        fail "This system lacks ${packages[*]} (Python 3.11 or newer with venv; npm; for the tests Chromium, nginx and Caddy). Install what is missing, then try again."
    fi
    if ((EUID != 0)); then
        command -v sudo >/dev/null || fail "${packages[*]} missing. As root, run: $command"
        sudo=(sudo)
    fi
    say "Installing ${packages[*]} with apt."
    { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >/dev/null ||
        fail "apt could not install ${packages[*]}. As root, run: $command"
}

# ---- the project's part

create_venv() {
    local python
    python=$(find_python) || fail "No Python 3.11 or newer with the venv module is on PATH (python3.13, 3.12, 3.11, python3)."
    say "Creating .venv with $python."
    rm -rf .venv
    mkdir .venv
    : >"$PYTHON_BUSY"
    "$python" -m venv .venv
}

install_python() {
    local set file arguments=()
    set=$(wanted_python)
    # An environment that broke half-way may hold packages that only look installed.
    if [[ -e $PYTHON_BUSY ]] || ! .venv/bin/python -I -c 'import pip' 2>/dev/null || moved; then create_venv; fi
    : >"$PYTHON_BUSY"
    for file in $(requirement_files "$set"); do arguments+=(-r "$file"); done
    say "Installing the Python packages ($set)."
    .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes "${arguments[@]}" >&2 ||
        fail "pip could not install the Python packages; the reason stands above. The next run starts afresh."
    write_stamp "$PYTHON_STAMP" "$(python_stamp "$set")"
    rm "$PYTHON_BUSY"
}

# pip's own script names the folder that it was installed in.
moved() { ! head -n 3 .venv/bin/pip 2>/dev/null | grep -qF "$PWD/.venv/"; }

install_node() {
    local set omit=()
    set=$(wanted_node)
    if [[ $set == run ]]; then omit=(--omit=dev); fi
    say "Installing the claude CLI $(pinned_version) with npm ($set)."
    rm -f "$NODE_STAMP"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error "${omit[@]}" >/dev/null ||
        fail "npm could not install the claude CLI; the reason stands above. The next run starts afresh."
    verify_cli
    write_stamp "$NODE_STAMP" "$(node_stamp "$set")"
}

pinned_version() { sed -n "s|.*\"$CLI\": \"\([0-9.]*\)\".*|\1|p" package.json; }

cli_binaries() { compgen -G "node_modules/$CLI-*/claude" || true; }

# npm before 10 installs the builds for both C libraries; the one that runs stays.
verify_cli() {
    local binary other
    for binary in $(cli_binaries); do
        if ! runs_as_pinned "$binary"; then continue; fi
        for other in $(cli_binaries); do
            if [[ $other != "$binary" ]]; then rm -r "${other%/claude}"; fi
        done
        return
    done
    fail "The claude CLI is installed but does not run as $(pinned_version). Try: $(cli_binaries | paste -sd' ') --version"
}

runs_as_pinned() {
    local home answer
    home=$(mktemp -d)
    answer=$(env -i PATH="$PATH" HOME="$home" DISABLE_AUTOUPDATER=1 "$1" --version 2>&1 || true)
    rm -r "$home"
    [[ $answer == "$(pinned_version) "* ]]
}

# ---- one at a time

lock() {
    mkdir -p var
    exec 9>var/setup.lock
    flock -n 9 && return
    say "Waiting for another set-up of this folder to finish."
    flock 9
}

main() {
    readonly WANTED=${1:-dev}
    (($(rank "$WANTED"))) || fail "Say which set: scripts/setup.sh run|demo|dev"
    if python_ready && node_ready && [[ -z $(tools_missing) ]]; then return; fi
    lock
    install_system_packages
    python_ready || install_python
    node_ready || install_node
}

main "$@"
