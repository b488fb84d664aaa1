#!/bin/sh
# Installs libellus on Linux: fetches the executable for this processor from a release, compares it with the sums of
# that release, and puts it into place as a whole.
#
#   sh install.sh [VERSION]         e.g. sh install.sh v0.1.0; the latest release unless told otherwise
#
#   PREFIX               installs to PREFIX/bin instead of ~/.local/bin
#   LIBELLUS_REPOSITORY  OWNER/NAME on GitHub; a release carries a copy of this script that knows its own
#   LIBELLUS_BASE_URL    where the files of a release lie, if not on GitHub; VERSION is of no account then
set -eu

repository=${LIBELLUS_REPOSITORY:-}

fail() {
    echo "error: $1" >&2
    exit 1
}

# Fetches a URL to a file. An answer that ends early is an error for both programs.
fetch() {
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --output "$2" "$1"
    elif command -v wget >/dev/null 2>&1; then
        wget --quiet --output-document="$2" "$1"
    else
        fail 'curl or wget is needed to download; install one of them'
    fi
}

# All work is in a function, so that a script that arrives in part does nothing.
main() {
    version=${1:-latest}
    [ "$(uname -s)" = Linux ] || fail "there is an executable for Linux only, and this is $(uname -s); build it with cargo instead"
    case $(uname -m) in
        x86_64 | amd64) arch=x86_64 ;;
        aarch64 | arm64) arch=aarch64 ;;
        *) fail "there is no executable for $(uname -m); build it with cargo instead" ;;
    esac
    if [ -n "${LIBELLUS_BASE_URL:-}" ]; then
        base=${LIBELLUS_BASE_URL%/}
    elif [ -z "$repository" ]; then
        fail 'this copy does not know where releases are; set LIBELLUS_REPOSITORY=OWNER/NAME or LIBELLUS_BASE_URL'
    elif [ "$version" = latest ]; then
        base=https://github.com/$repository/releases/latest/download
    else
        base=https://github.com/$repository/releases/download/$version
    fi
    if [ -n "${PREFIX:-}" ]; then
        bin=$PREFIX/bin
    else
        bin=${HOME:?is not set, so PREFIX has to say where to install}/.local/bin
    fi
    file=libellus-$arch-linux

    mkdir -p "$bin" || fail "cannot make $bin; set PREFIX to a directory that you may write to"
    # Beside the destination: a rename within a file system is at once or not at all.
    work=$(mktemp -d "$bin/.libellus-install.XXXXXX") || fail "cannot write to $bin; set PREFIX to a directory that you may write to"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM

    fetch "$base/SHA256SUMS" "$work/SHA256SUMS" || fail "cannot fetch $base/SHA256SUMS; nothing was installed"
    expected=$(awk -v file="$file" '$2 == file || $2 == "*" file { print $1; exit }' "$work/SHA256SUMS")
    [ -n "$expected" ] || fail "$base/SHA256SUMS has no sum for $file; nothing was installed"
    fetch "$base/$file" "$work/libellus" || fail "cannot fetch $base/$file; nothing was installed"
    actual=$(sha256sum "$work/libellus" | awk '{ print $1 }')
    [ "$actual" = "$expected" ] ||
        fail "$file has the sum $actual, and should have $expected; nothing was installed, try again later"
    chmod 755 "$work/libellus"
    "$work/libellus" --version >/dev/null || fail "$file does not run on this machine; nothing was installed"
    mv -f "$work/libellus" "$bin/libellus"

    echo "installed $("$bin/libellus" --version) as $bin/libellus"
    case :$PATH: in
        *:"$bin":*) ;;
        *) echo "note: $bin is not in PATH; add it, or call $bin/libellus" ;;
    esac
}

main "$@"
