#!/bin/sh
# Start everything for what this host has, and print the links:  docker/up.sh [gpu|cpu]
set -eu

cd "$(dirname "$0")/.."

has_gpu() {
    command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1 || return 1
    docker info --format '{{json .Runtimes}}' | grep -q nvidia ||
        command -v nvidia-container-runtime > /dev/null
}

# Files that containers write belong to whoever starts them; root's would be nobody's.
if [ "$(id -u)" != 0 ]; then
    export APP_UID="${APP_UID:-$(id -u)}" APP_GID="${APP_GID:-$(id -g)}"
fi
REVISION=$(git describe --always --dirty --abbrev=40 --exclude '*' 2> /dev/null || true)
export REVISION

if [ -n "${1:-}" ]; then profile=$1; elif has_gpu; then profile=gpu; else profile=cpu; fi
suffix=$([ "$profile" = gpu ] || echo -cpu)

compose="docker compose --progress quiet --profile $profile"
# Built each time: seconds where nothing changed. What refuses says why in a line.
docker compose --profile "$profile" build -q loopback-or-auth
$compose run --rm loopback-or-auth
[ "$profile" != gpu ] || $compose run --rm nvidia-container-toolkit
docker compose --profile "$profile" build -q image
if ! docker compose --progress quiet up -d --wait; then
    docker compose logs --no-log-prefix --no-color --tail 3 migrate >&2
    exit 1
fi
[ -z "${STUDY:-}" ] || $compose up -d "worker$suffix"
cat <<END

MLflow      http://$(docker compose port mlflow 5000)
studies     http://$(docker compose port dashboard 8080)
train       docker compose run --rm trainer$suffix train experiment=multihead_cnn_mnist
search      STUDY=mnist_loss_weights N_TRIALS=100 docker compose up -d --scale worker$suffix=2 worker$suffix
stop        make stop, make down; docker compose alone needs --profile $profile for workers
END
