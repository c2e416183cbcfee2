#!/bin/sh
# Write a consistent backup of databases and artifacts to one file:  docker/backup.sh [FILE]
#
# MLflow is paused for a few seconds, while the databases are dumped and the artifacts are linked.
# Runs continue, and send their records afterwards. The file belongs to the calling user.
set -eu
umask 077

cd "$(dirname "$0")/.."
file=${1:-backups/$(date -u +%Y%m%d-%H%M%S).tar}
run() { docker compose --progress quiet run --rm -T --no-deps backup "$1" < /dev/null; }

# Without these, sh does not run the trap below on an interrupt.
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$(dirname "$file")"
trap 'rm -f "$file.part"' EXIT
if [ -n "$(docker compose ps -q --status running mlflow)" ]; then
    trap 'rm -f "$file.part"; docker compose --progress quiet unpause mlflow' EXIT
    docker compose --progress quiet pause mlflow
fi
run snapshot
if [ -n "$(docker compose ps -q --status paused mlflow)" ]; then
    docker compose --progress quiet unpause mlflow
    trap 'rm -f "$file.part"' EXIT
fi
run stream > "$file.part"
mv "$file.part" "$file"
echo "backup: $(du -h "$file" | cut -f1) in $file"
