#!/usr/bin/env bash
# Brings a checkout from nothing to ready: scripts/setup.sh run|demo|dev
#
# `run` serves, `demo` adds the sandbox, `dev` adds the tools, the tests' second CLI and, in an environment of its own, the
# clients that the tests drive; a larger set satisfies a smaller.
# Silent when nothing is to be done. The stamps are written last, so an interrupted set-up is done again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly CLI=@anthropic-ai/claude-code
readonly VENV=.venv CLIENTS=.venv-clients
readonly STAMP=.postern-ready BUSY=.postern-unfinished
readonly NODE_STAMP=node_modules/$STAMP

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

# ---- which set

rank() { case "$1" in run) echo 1 ;; demo) echo 2 ;; dev) echo 3 ;; *) echo 0 ;; esac; }

larger() { if (($(rank "$1") >= $(rank "$2"))); then echo "$1"; else echo "$2"; fi; }

stamped_set() { if [[ -f $1 ]]; then cut -d' ' -f1 "$1"; fi; }

# The clients stay apart: they bring a hundred packages, and warnings, which the suite takes for errors.
environments() { if [[ $WANTED == dev ]]; then echo $VENV $CLIENTS; else echo $VENV; fi; }

requirement_files() { # environment, set
    case "$1 $2" in
        "$VENV run") echo requirements.txt ;;
        "$VENV demo") echo requirements.txt requirements-sandbox.txt ;;
        "$VENV dev") echo requirements.txt requirements-dev.txt ;;
        "$CLIENTS dev") echo requirements-clients.txt ;;
    esac
}

# The npm side has two sets only: the sandbox adds nothing to it.
npm_set() { if [[ $1 == dev ]]; then echo dev; else echo run; fi; }

# ---- stamps: "<set> <checksum of the pins and of this folder's path>" (scripts in an environment's bin name that path)

checksum() { { pwd; cat "$@"; } | sha256sum | cut -c1-64; }

# shellcheck disable=SC2046
python_stamp() { echo "$2 $(checksum $(requirement_files "$1" "$2"))"; }

node_stamp() { echo "$1 $(checksum package.json package-lock.json)"; }

write_stamp() { echo "$2" >"$1.new" && mv "$1.new" "$1"; }

is_current() { [[ -f $1 && $(<"$1") == "$2" ]]; }

python_ready() {
    [[ ! -e $1/$BUSY ]] && is_current "$1/$STAMP" "$(python_stamp "$1" "$(wanted_python "$1")")" && has_pip "$1"
}

has_pip() { "$1/bin/python" -I -c 'import pip' 2>/dev/null; }

all_python_ready() {
    local venv
    for venv in $(environments); do python_ready "$venv" || return; done
}

node_ready() { is_current "$NODE_STAMP" "$(node_stamp "$(wanted_node)")" && [[ -n $(cli_binaries) ]]; }

wanted_python() { larger "$WANTED" "$(stamped_set "$1/$STAMP")"; }

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
    if lacks_environment && ! find_python >/dev/null; then echo python3-venv; fi
    if ! node_ready && ! npm --version >/dev/null 2>&1; then echo npm; fi
    tools_missing
}

lacks_environment() {
    local venv
    for venv in $(environments); do if [[ ! -x $venv/bin/python || -e $venv/$BUSY ]]; then return; fi; done
    return 1
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
    say "Creating $1 with $python."
    rm -rf "$1"
    mkdir "$1"
    : >"$1/$BUSY"
    "$python" -m venv "$1"
}

install_python() {
    local venv=$1 set file arguments=()
    set=$(wanted_python "$venv")
    # An environment that broke half-way may hold packages that only look installed.
    if [[ -e $venv/$BUSY ]] || ! has_pip "$venv" || moved "$venv"; then create_venv "$venv"; fi
    : >"$venv/$BUSY"
    for file in $(requirement_files "$venv" "$set"); do arguments+=(-r "$file"); done
    say "Installing the Python packages ($set) into $venv."
    "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes "${arguments[@]}" >&2 ||
        fail "pip could not install the Python packages; the reason stands above. The next run starts afresh."
    write_stamp "$venv/$STAMP" "$(python_stamp "$venv" "$set")"
    rm "$venv/$BUSY"
}

# pip's own script names the folder that it was installed in.
moved() { ! head -n 3 "$1/bin/pip" 2>/dev/null | grep -qF "$PWD/$1/"; }

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
    local venv
    readonly WANTED=${1:-dev}
    (($(rank "$WANTED"))) || fail "Say which set: scripts/setup.sh run|demo|dev"
    if all_python_ready && node_ready && [[ -z $(tools_missing) ]]; then return; fi
    lock
    install_system_packages
    for venv in $(environments); do python_ready "$venv" || install_python "$venv"; done
    node_ready || install_node
}

main "$@"
