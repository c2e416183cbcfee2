#!/bin/sh
# Write what each image holds, as CycloneDX JSON:  tools/sbom.sh [FOLDER]
#
# The images are those of the compose files in use that are on this machine; their Python and
# Debian packages are listed, from what the packages say of themselves. No container has a network,
# and nothing of an image is run but sh, find and tar. The tools are pinned in tools/sbom.lock.
set -eu

cd "$(dirname "$0")/.."
folder=${1:-sbom}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"${PYTHON:-python3}" -m venv "$work/tools"
"$work/tools/bin/python" -m pip --disable-pip-version-check --no-input \
    install -qq --no-deps --require-hashes -r tools/sbom.lock
# An environment of nothing but what lies in the image.
"${PYTHON:-python3}" -m venv --without-pip "$work/python"
layers=$(echo "$work"/python/lib/python3*/site-packages)/image.pth

# What packages say of themselves, as an archive. What this user may not read holds no package.
collect() {
    docker run --rm --network none --read-only --entrypoint sh "$1" -c '
        find / -xdev \( -path /proc -o -path /sys -o -name _vendor \) -prune -o \
            \( -name "*.dist-info" -o -path /etc/os-release -o -path /usr/lib/os-release \
            -o -path /var/lib/dpkg/status -o -path /var/lib/apt/extended_states \) -print \
            2> /dev/null | tar -cf - -T - 2> /dev/null'
}

# The tools warn of hundreds of packages whose authors left something out.
quietly() { "$@" 2> "$work/said" || { cat "$work/said" >&2; exit 1; }; }

# Write NAME.cdx.json of what lies in a folder, whole or not at all.
describe() {
    quietly "$work/tools/bin/debsbom" generate -t cdx -r "$2" -o "$work/debian"
    find "$2" -name '*.dist-info' -exec dirname {} \; | sort -u > "$layers"
    set -- "$1" "$work/debian.cdx.json"
    if [ -s "$layers" ]; then
        quietly "$work/tools/bin/cyclonedx-py" environment --pyproject pyproject.toml \
            -o "$work/python.cdx.json" "$work/python/bin/python"
        quietly "$work/tools/bin/debsbom" merge -t cdx --distro-name "$1" -o "$work/both" \
            "$work/python.cdx.json" "$2"
        set -- "$1" "$work/both.cdx.json"
    fi
    mkdir -p "$folder"
    mv "$2" "$folder/$1.cdx.json"
    echo "$folder/$1.cdx.json"
}

written=
images=$(docker compose --profile gpu --profile cpu config --images | sort -u)
for image in $images; do
    docker image inspect "$image" > "$work/said" 2>&1 ||
        { echo "$image is not on this machine, so it is left out." >&2; continue; }
    rm -rf "$work/image"
    mkdir "$work/image"
    collect "$image" | tar -xf - -C "$work/image" 2> "$work/said" || true
    [ -s "$work/image/var/lib/dpkg/status" ] ||
        { echo "$image has no list of Debian packages, so it is left out." >&2; continue; }
    name=$(printf '%s' "$image" | sed 's/@.*//; s/[^A-Za-z0-9._-]/_/g')
    describe "$name" "$work/image"
    written=yes
done
[ -n "$written" ] || { echo "There is no image to list here. Build them: make up" >&2; exit 1; }
