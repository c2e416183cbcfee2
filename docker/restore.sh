#!/bin/sh
# Restore a backup into a stack without runs:  docker/restore.sh FILE   (FORCE=yes: replace runs)
set -eu

cd "$(dirname "$0")/.."
file=${1:?"which file? make restore FILE=backups/....tar"}
[ -r "$file" ] || { echo "restore: there is no file $file." >&2; exit 2; }
quiet="docker compose --progress quiet"

$quiet up -d --wait postgres
$quiet run --rm -T --no-deps restore check < /dev/null
$quiet --profile gpu --profile cpu stop
# Always restart the stopped services, with the overlays in use, even after an error.
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'COMPOSE_PROFILES= $quiet up -d --wait' EXIT
$quiet up -d --wait postgres
$quiet run --rm -T --no-deps restore < "$file"
