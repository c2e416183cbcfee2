#!/bin/sh
# A node of the Ray cluster of docker/ray.yml:
#
#   ray.sh head              the head node, which holds no workers
#   ray.sh worker            a node for workers: RAY_CORES cores, and the GPUs that it sees
#   ray.sh with COMMAND...   a multihead command on a node of its own, which holds no workers
set -eu

HEAD=ray-head:6379
# Objects are not what a study hands over; Ray refuses less than 75 MB.
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

# Ray's processes end at once; a worker of a study sees that, and writes a checkpoint. The container
# waits for it.
node=$!
trap 'kill $node' TERM INT
wait $node || code=$?
wait $node || true
while grep -aqs '[m]ultihead.studies.worker' /proc/[0-9]*/cmdline; do sleep 0.5; done
exit "${code:-0}"
