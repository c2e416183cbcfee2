#!/bin/sh
# Called by docker/backup.sh on the host.
#
#   backup.sh snapshot   dump both databases and link the artifacts; seconds, with MLflow paused
#   backup.sh stream     write the snapshot to stdout as one tar file with SHA-256 sums, then delete it
#
# Artifacts are never changed in place, so a hard link preserves the content.
set -eu
umask 077

snapshot=/artifacts/snapshot
case $1 in
    snapshot)
        rm -rf "$snapshot"
        mkdir "$snapshot"
        # Optuna first, so that each ended trial of its dump has its run in MLflow's dump.
        for database in optuna mlflow; do
            pg_dump -Fc -w -f "$snapshot/$database.dump" \
                -d "postgresql://$database@postgres/$database?passfile=/secrets/$database/pgpass"
        done
        mkdir -p /artifacts/store
        cp -al /artifacts/store "$snapshot/store"
        find "$snapshot/store" -name '.artifact.uploading.*' -delete # incomplete; will be sent again
        ;;
    stream)
        cd "$snapshot"
        find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS
        tar -cf - SHA256SUMS mlflow.dump optuna.dump store
        cd / && rm -rf "$snapshot"
        ;;
esac
