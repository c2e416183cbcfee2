#!/bin/sh
# Join the study STUDY; the first worker makes it. After a restart the same command continues, and
# it ends when all trials have ended.
set -eu

if [ -z "$STUDY" ]; then
    echo "No study to work on: STUDY=mnist_loss_weights N_TRIALS=100 docker compose up -d ..."
    exit 0
fi
# shellcheck disable=SC2086  # STUDY_ARGS are words
exec multihead study "$STUDY" ${N_TRIALS:+"n_trials=$N_TRIALS"} workers=1 \
    "devices_per_worker=$GPU_SHARE" $STUDY_ARGS
