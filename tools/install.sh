#!/bin/sh
# Install what a lock pins into a virtual environment:  tools/install.sh VENV LOCK
#
# Every download is checked against the lock's hashes. With TORCH_INDEX=<url> in the environment,
# the lock's versions of torch and torchvision come from that index instead (a build for CPUs, or
# for another CUDA), outside the hashes, and the libraries that only the lock's own build needs
# are left out. Knows nothing of the package itself, nor of what VENV is for.
set -eu

venv=$1
lock=$2
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

# A package that is only on PYTHONPATH would count as installed.
unset PYTHONPATH PYTHONHOME

if [ -z "${TORCH_INDEX:-}" ]; then
    pip install -qq --no-deps --require-hashes -r "$lock"
    exit
fi

pinned() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" "$lock"; }
torch=$(pinned torch)
vision=$(pinned torchvision)
echo "torch $torch and torchvision $vision come from TORCH_INDEX, outside the hashes of $lock."
pip install -qq --no-deps --index-url "$TORCH_INDEX" "torch==$torch" "torchvision==$vision"

rest=$venv/without-torch.lock
awk '
    /^[A-Za-z0-9]/ {
        name = $1
        sub(/[=;[].*/, "", name)
        drop = name ~ /^(torch|torchvision|triton|nvidia-.*|cuda-.*)$/
    }
    !drop
' "$lock" > "$rest"
pip install -qq --no-deps --require-hashes -r "$rest"

# What else that build of torch asks for, such as the libraries of its own CUDA.
pip install -qq --extra-index-url "$TORCH_INDEX" "torch==$torch" "torchvision==$vision"
