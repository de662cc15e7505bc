#!/usr/bin/env bash
# scripts/image.sh build [TARGET]   the image postern:local (or postern-demo:local), by docker, else by buildah
# scripts/image.sh tools            what `make image-test` needs of the system, from apt
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'image: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

build() {
    local target=$1 tag=postern:local
    if [[ $target != gateway ]]; then tag=postern-$target:local; fi
    if docker version >/dev/null 2>&1; then
        exec docker build --target "$target" -t "$tag" .
    elif command -v buildah >/dev/null; then
        exec buildah bud --layers --format docker --target "$target" -t "$tag" .
    fi
    fail "There is neither a running Docker here nor buildah. On Debian: apt-get install buildah"
}

tools() {
    local missing=() tool command
    for tool in buildah debootstrap; do
        if ! command -v "$tool" >/dev/null && [[ ! -x /usr/sbin/$tool ]]; then missing+=("$tool"); fi
    done
    if ((EUID != 0)); then fail "The image's test needs root: it mounts file systems. Try: sudo make image-test"; fi
    if ((${#missing[@]} == 0)); then return; fi
    command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
    if ! command -v apt-get >/dev/null; then fail "This system lacks ${missing[*]}. On Debian: $command"; fi
    say "Installing ${missing[*]} with apt."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >/dev/null ||
        fail "apt could not install ${missing[*]}. Try: $command"
}

case "${1:-}" in
    build) build "${2:-gateway}" ;;
    tools) tools ;;
    *) fail "Say what: scripts/image.sh build|tools" ;;
esac
