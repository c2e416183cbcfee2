#!/bin/sh
# Join the study that STUDY names; the first worker makes it. The same command goes on with it
# after a restart, and ends when all its trials have.
set -eu

if [ -z "$STUDY" ]; then
    echo "No study to work on: STUDY=mnist_loss_weights N_TRIALS=100 docker compose up -d ..."
    exit 0
fi
# shellcheck disable=SC2086  # STUDY_ARGS are words
exec multihead study "$STUDY" ${N_TRIALS:+"n_trials=$N_TRIALS"} workers=1 \
    "devices_per_worker=$GPU_SHARE" $STUDY_ARGS
