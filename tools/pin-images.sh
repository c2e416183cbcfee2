#!/bin/sh
# Pin the base images to what their tags name today:  tools/pin-images.sh FILE...
#
# A base image is the default of a variable NAME_IMAGE: `${NAME_IMAGE:-image:tag@sha256:...}` in a
# compose file, `ARG NAME_IMAGE=image:tag@sha256:...` in a Dockerfile. The digest is the one that
# the engine gets with the tag, so of all platforms of the image. Change a tag by hand, then run
# this. Nothing is written unless every image could be asked for.
set -eu

variable='[A-Z0-9_]+_IMAGE(:-|=)'
images=$(grep -ohE "$variable[^}@\"[:space:]]+" "$@" | sed -E "s/^$variable//" | sort -u)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for image in $images; do
    docker pull "$image" > "$work/said" || exit 1
    digest=$(sed -n 's/^Digest: \(sha256:[0-9a-f]\{64\}\)$/\1/p' "$work/said")
    [ -n "$digest" ] || { echo "docker pull $image named no digest." >&2; exit 1; }
    pattern=$(printf '%s' "$image" | sed 's/[.]/\\./g')
    printf '%s\n' "s,($variable$pattern)(@sha256:[0-9a-f]{64})?([}\"[:space:]]|\$),\1@$digest\4,g" \
        >> "$work/edit"
    echo "$image@$digest"
done

for file in "$@"; do sed -E -f "$work/edit" "$file" > "$work/$(basename "$file")"; done
for file in "$@"; do cat "$work/$(basename "$file")" > "$file"; done
