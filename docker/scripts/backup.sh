#!/bin/sh
# Called by docker/backup.sh on the host.
#
#   backup.sh snapshot   dump both databases and link the artifacts; seconds, with MLflow paused
#   backup.sh stream     write the snapshot to stdout as one tar file with SHA-256 sums, and drop it
#
# An artifact is never changed in place, so a link keeps it as it was.
set -eu
umask 077

snapshot=/artifacts/snapshot
case $1 in
    snapshot)
        rm -rf "$snapshot"
        mkdir "$snapshot"
        # Optuna first: a trial that has ended in its dump has its record in MLflow's.
        for database in optuna mlflow; do
            pg_dump -Fc -w -f "$snapshot/$database.dump" \
                -d "postgresql://$database@postgres/$database?passfile=/secrets/$database/pgpass"
        done
        mkdir -p /artifacts/store
        cp -al /artifacts/store "$snapshot/store"
        find "$snapshot/store" -name '.artifact.uploading.*' -delete # not whole; sent again
        ;;
    stream)
        cd "$snapshot"
        find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum > SHA256SUMS
        tar -cf - SHA256SUMS mlflow.dump optuna.dump store
        cd / && rm -rf "$snapshot"
        ;;
esac
