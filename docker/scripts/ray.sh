#!/bin/sh
# Start a node of the Ray cluster of docker/ray.yml:
#
#   ray.sh head              the head node; it runs no workers
#   ray.sh worker            a node for workers: RAY_CORES cores, and all visible GPUs
#   ray.sh with COMMAND...   a multihead command on a separate node without workers
set -eu

HEAD=ray-head:6379
# Studies do not use Ray's object store; 75 MB is the smallest allowed size.
start() { python -m ray.scripts.scripts start --object-store-memory=80000000 "$@"; }

case $1 in
head)
    start --block --head --port=6379 --num-cpus=0 --num-gpus=0 --include-dashboard=false &
    ;;
worker)
    start --block --address=$HEAD --num-cpus="$RAY_CORES" &
    ;;
with)
    shift
    start --address=$HEAD --num-cpus=0 --num-gpus=0 > /tmp/ray-start.log 2>&1 ||
        { tail -n 3 /tmp/ray-start.log >&2; exit 1; }
    exec multihead "$@"
    ;;
esac

# Ray's processes end at once. A worker of a study notices that, and writes a checkpoint. The
# container waits for it.
node=$!
trap 'kill $node' TERM INT
wait $node || code=$?
wait $node || true
while grep -aqs '[m]ultihead.studies.worker' /proc/[0-9]*/cmdline; do sleep 0.5; done
exit "${code:-0}"
