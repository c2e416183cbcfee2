#!/bin/sh
# Put a backup back into a stack without runs:  docker/restore.sh FILE     (FORCE=yes: over others)
set -eu

cd "$(dirname "$0")/.."
file=${1:?"which file? make restore FILE=backups/....tar"}
[ -r "$file" ] || { echo "restore: there is no file $file." >&2; exit 2; }
quiet="docker compose --progress quiet"

$quiet up -d --wait postgres
$quiet run --rm -T --no-deps restore check < /dev/null
$quiet --profile gpu --profile cpu stop
# Whatever becomes of it, what was stopped is started again, with the overlays that are in use.
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap 'COMPOSE_PROFILES= $quiet up -d --wait' EXIT
$quiet up -d --wait postgres
$quiet run --rm -T --no-deps restore < "$file"
