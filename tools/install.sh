#!/bin/sh
# Install what a lock pins into a virtual environment:  tools/install.sh VENV LOCK
#
# Every download is checked against the lock's hashes. With TORCH_INDEX=<url> in the environment,
# the lock's versions of torch and torchvision come from that index instead (a build for CPUs, or
# for another CUDA), outside the hashes, with the libraries that this build needs in place of those
# of the lock's own build. No name is ever looked up in two indexes: torch_needs.py tells which
# names belong to TORCH_INDEX. Knows nothing of the package itself, nor of what VENV is for.
set -eu

here=$(dirname "$0")
venv=$1
lock=$2
python=$venv/bin/python
pip() { "$python" -m pip --disable-pip-version-check --no-input "$@"; }

# A package that is only on PYTHONPATH would count as installed.
unset PYTHONPATH PYTHONHOME

if [ -z "${TORCH_INDEX:-}" ]; then
    pip install -qq --no-deps --require-hashes -r "$lock"
    exit
fi

rest=$venv/without-torch.lock
"$here/split-lock.sh" "$lock" "$rest" "$venv/torch.lock"
[ ! -s "$rest" ] || pip install -qq --no-deps --require-hashes -r "$rest"

# Without hashes the index alone decides what a name means, so pip gets exactly one. It may not
# build from source either: that would take setuptools from there as well.
unset PIP_EXTRA_INDEX_URL PIP_FIND_LINKS
more=$(pip config list | grep -E '\.(extra-index-url|find-links)=' || true)
if [ -n "$more" ]; then
    echo "pip's configuration has $(echo "$more" | tr '\n' ' ')beside TORCH_INDEX, so two indexes would" \
        "compete for torch. Remove it, or set PIP_CONFIG_FILE=/dev/null for this command." >&2
    exit 1
fi
from_torch_index() { pip install -qq --no-deps --only-binary :all: --index-url "$TORCH_INDEX" "$@"; }

pinned() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" "$lock"; }
torch=$(pinned torch)
vision=$(pinned torchvision)
echo "torch $torch and torchvision $vision come from TORCH_INDEX, outside the hashes of $lock."
from_torch_index "torch==$torch" "torchvision==$vision"

# Its libraries need others in turn, so ask again until nothing is missing.
needs=$venv/torch-needs.txt
for _ in 1 2 3 4 5 6; do
    "$python" "$here/torch_needs.py" > "$needs"
    [ -s "$needs" ] || exit 0
    from_torch_index -r "$needs"
done
echo "The libraries of torch from TORCH_INDEX contradict each other: after six rounds there is" \
    "still no version that fits $(tr '\n' ' ' < "$needs")" >&2
exit 1
