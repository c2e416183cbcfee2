#!/bin/sh
# Start the services that suit this host, and print their addresses:  docker/up.sh [gpu|cpu]
set -eu

cd "$(dirname "$0")/.."

has_gpu() {
    command -v nvidia-smi > /dev/null && nvidia-smi -L > /dev/null 2>&1 || return 1
    docker info --format '{{json .Runtimes}}' | grep -q nvidia ||
        command -v nvidia-container-runtime > /dev/null
}

# Ignore COMPOSE_PROFILES of .env, because workers without a study would end at once.
default="env COMPOSE_PROFILES= docker compose --progress quiet"
published=$($default config --services | grep -x proxy || echo dashboard)
[ "$published" = proxy ] || docker/engine.sh

# Files that containers write belong to the user who starts them. The ids are kept in .env, so that
# plain compose, and other users of this checkout, build the same images.
if [ "$(id -u)" != 0 ] && [ -z "${APP_UID:-}" ] && ! grep -qs '^APP_UID=' .env; then
    printf 'APP_UID=%s\nAPP_GID=%s\n' "$(id -u)" "$(id -g)" >> .env
fi
chmod a+rx docker/postgres/databases.sh # another user reads it; a clone with umask 077 would prevent that
REVISION=$(git describe --always --dirty --abbrev=40 --exclude '*' 2> /dev/null || true)
export REVISION

if [ -n "${1:-}" ]; then profile=$1; elif has_gpu; then profile=gpu; else profile=cpu; fi
suffix=$([ "$profile" = gpu ] || echo -cpu)

compose="docker compose --progress quiet --profile $profile"
# Build each time; without changes this takes seconds. A service that refuses prints one line.
$default build -q
$compose run --rm loopback-or-auth
[ "$profile" != gpu ] || $compose run --rm install-nvidia-container-toolkit
$compose build -q image
if ! $default up -d --wait; then
    docker compose logs --no-log-prefix --no-color --tail 3 secrets migrate >&2
    exit 1
fi
[ -z "${STUDY:-}" ] || $compose up -d "worker$suffix"

mlflow=$($compose config | sed -n 's/^ *MULTIHEAD_UI_URL: //p' | head -n 1)
cat <<END

MLflow      $mlflow
studies     ${mlflow%:*}:$(docker compose port "$published" 8080 | sed 's/.*://')
train       docker compose run --rm trainer$suffix train experiment=multihead_cnn_mnist
search      STUDY=mnist_loss_weights N_TRIALS=100 docker compose up -d --scale worker$suffix=2 worker$suffix
stop        make stop, make down; docker compose alone needs --profile $profile for workers
END
