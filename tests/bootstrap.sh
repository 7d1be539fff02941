# shellcheck shell=bash
# Sourced by tests/run and examples/run: makes the virtual environments and finds system packages.
#
# An environment can serve several sets of requirements (see `requirements`). Each set has a stamp
# of its own in the environment; while it is current nothing is installed, no network needed.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin # nginx lives there, and a plain user's PATH does not
export PIP_DISABLE_PIP_VERSION_CHECK=1

complain() { printf '%s\n' "$*" >&2; }

# --- Python ---------------------------------------------------------------------------------------

# find_python COMMAND...: the first of the commands that is Python 3.11 or newer.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} "$@"; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    complain "Python 3.11 or newer is needed and was not found: install it, or set PYTHON to its path."
    return 1
}

# requirements SET: what pip installs for it, one argument a line.
requirements() {
    case $1 in
        dev) printf '%s\n' --editable '.[cli,negotiation,redis,opentelemetry,prometheus]' --group dev ;;
        tour) printf '%s\n' --editable '.[cli,negotiation,redis]' ;;
        *) complain "no such set of requirements: $1" && return 1 ;;
    esac
}

# stamp VENV SET: everything that decides whether what is installed is still right.
stamp() {
    "$1/bin/python" - "$root" "$2" <<'PYTHON'
import hashlib, pathlib, sys

root, name = sys.argv[1:]
digest = hashlib.sha256(repr((root, name, sys.version)).encode())
for file in ("pyproject.toml", "tests/bootstrap.sh"):
    digest.update(pathlib.Path(root, file).read_bytes())
print(digest.hexdigest())
PYTHON
}

# is_current VENV SET
is_current() {
    [ -x "$1/bin/python" ] && [ -f "$1/.stamp-$2" ] &&
        [ "$(stamp "$1" "$2" 2>/dev/null)" = "$(cat "$1/.stamp-$2")" ]
}

# make_venv PYTHON VENV
make_venv() {
    "$1" -m venv "$2" && return 0
    # Debian keeps a part of venv in a package of its own.
    may_install && install_package python3-venv && "$1" -m venv "$2"
}

# install_all PYTHON ARGUMENT...
install_all() {
    local python=$1
    shift
    # It takes a fraction of the time, but knows nothing of how pip is set up on a machine.
    "$python" -m pip install --quiet 'uv>=0.8' &&
        "$python" -m uv pip install --quiet --system-certs --python "$python" "$@" pip \
            2>/dev/null &&
        return 0
    # Dependency groups came with pip 25.1.
    "$python" -m pip install --quiet 'pip>=25.1' && "$python" -m pip install --quiet "$@"
}

# bootstrap VENV SET PYTHON...: makes the environment with one of these Pythons, installs the set.
bootstrap() {
    local venv=$1 set=$2 python
    local -a wanted
    shift 2
    is_current "$venv" "$set" && return 0
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python "$@") || return 1
        printf 'Making %s with %s\n' "${venv#"$root"/}" "$("$python" --version)"
        if ! make_venv "$python" "$venv" || ! "$venv/bin/python" -m pip --version >/dev/null; then
            complain "$venv does not work: remove it and run this again."
            return 1
        fi
    fi
    printf 'Installing the requirements of %s into %s\n' "$set" "${venv#"$root"/}"
    rm -f "$venv/.stamp-$set"
    mapfile -t wanted < <(requirements "$set")
    (cd "$root" && install_all "$venv/bin/python" "${wanted[@]}") || return 1
    stamp "$venv" "$set" >"$venv/.stamp-$set"
}

# --- system packages ------------------------------------------------------------------------------

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# install_package PACKAGE
install_package() {
    local -a install=(apt-get install -qq -y --no-install-recommends "$1")
    local -x DEBIAN_FRONTEND=noninteractive
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}

# have_command PACKAGE COMMAND...: one of the commands exists, or did after installing the package.
have_command() {
    local package=$1 command
    shift
    for command in "$@"; do
        command -v "$command" >/dev/null && return 0
    done
    may_install || return 1
    printf 'Installing %s\n' "$package"
    install_package "$package" && command -v "$@" >/dev/null
}
