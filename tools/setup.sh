#!/bin/sh
# Make .venv hold what a lock pins and the package itself:  tools/setup.sh runtime|dev
#
# runtime is requirements.lock, dev is requirements-dev.lock, which has all of runtime in it.
# PYTHON names the interpreter (python3), TORCH_INDEX another index for torch: see install.sh.
#
# .venv/.place        hash of this folder and TORCH_INDEX; where it differs, .venv is made anew
# .venv/.runtime|.dev hash of what is installed, written last
# .venv/.busy         process that is at it; if that is dead, .venv is made anew
set -eu

cd "$(dirname "$0")/.."
kind=$1
case $kind in
    runtime) lock=requirements.lock ;;
    dev) lock=requirements-dev.lock ;;
    *) echo "tools/setup.sh: $kind is neither runtime nor dev." >&2; exit 2 ;;
esac
python=${PYTHON:-python3}

die() { echo "$1" >&2; exit 1; }
read_mark() { cat ".venv/.$1" 2>/dev/null || true; }
has_installed() { [ "$(read_mark "$1")" = "$(wanted "$2")" ]; }
wanted() { cat "$1" pyproject.toml tools/install.sh tools/torch_needs.py tools/split-lock.sh | git hash-object --stdin; }
place=$(printf '%s\n' "$PWD" "${TORCH_INDEX:-}" | git hash-object --stdin)

identity() { "$1" -c 'import sys; print(sys.base_prefix, sys.version)' 2>/dev/null || true; }

# An interpreter that is not asked for by name may be any that .venv was made with.
is_usable() {
    [ -x .venv/bin/python ] && [ ! -e .venv/.busy ] && [ "$(read_mark place)" = "$place" ] &&
        { [ -z "${PYTHON:-}" ] || [ "$(identity "$PYTHON")" = "$(identity .venv/bin/python)" ]; }
}

is_complete() {
    is_usable || return 1
    has_installed dev requirements-dev.lock && return 0
    [ "$kind" = runtime ] && has_installed runtime requirements.lock
}

check_python() {
    command -v "$python" >/dev/null 2>&1 ||
        die "There is no $python here. Install Python 3.11 or newer, or name one: PYTHON=python3.12 make ..."
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || die \
        "multihead needs Python 3.11 or newer, but $python is $("$python" -c 'import platform
print(platform.python_version())'). Name another: PYTHON=python3.12 make ..."
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)."
}

check_nobody_else() {
    [ -e .venv ] || return 0
    busy=$(read_mark busy)
    if [ -n "$busy" ] && kill -0 "$busy" 2>/dev/null; then
        die "Process $busy is setting up .venv. Wait for it, or stop it and run \`make clean\`."
    elif [ -n "$busy" ]; then
        echo "The last set-up of .venv was interrupted: starting anew."
    elif [ ! -e .venv/.place ]; then
        die "There is a .venv that was not made by this Makefile. Move it away, or remove it with \`make clean\`."
    fi
}

# Moved away first: while it was half removed, .venv would look like somebody else's. By the
# interpreter's own path: `python3` is the one in .venv where that is activated.
make_venv() {
    base=$("$python" -c 'import sys; print(sys._base_executable)')
    rm -rf .venv-old
    [ ! -e .venv ] || mv .venv .venv-old
    rm -rf .venv-old
    mkdir .venv
    echo $$ > .venv/.busy
    "$base" -m venv .venv
    echo "$place" > .venv/.place
}

install_all() {
    tools/install.sh .venv "$lock" &&
        .venv/bin/python -m pip --disable-pip-version-check --no-input \
            install -qq --no-deps --no-build-isolation -e .
}

is_complete && exit 0
trap 'exit 130' INT TERM HUP
began=$(date +%s)
check_nobody_else
if ! is_usable; then
    check_python
    make_venv
fi
echo $$ > .venv/.busy
rm -f .venv/.runtime .venv/.dev
echo "Installing $lock into .venv: minutes the first time, seconds later."
if ! install_all; then
    rm .venv/.busy
    die "The set-up did not finish: the reason is above. The same command tries again."
fi
wanted "$lock" > ".venv/.$kind"
rm .venv/.busy
echo "Set up in $(($(date +%s) - began)) s."
