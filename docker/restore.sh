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
$quiet up -d --wait postgres
$quiet run --rm -T --no-deps restore < "$file"
$quiet up -d --wait postgres mlflow dashboard
