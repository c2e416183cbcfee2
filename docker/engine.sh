#!/bin/sh
# Exit with an error if other hosts can reach the engine's ports on 127.0.0.1:  docker/engine.sh
#
# Before 28.0.0, other hosts of the same network segment can reach ports published on loopback:
# https://docs.docker.com/engine/network/port-publishing/, https://github.com/moby/moby/pull/49325.
# Docker Desktop runs in a virtual machine, so it is not checked. DOCKER_CHECK=no, in the environment
# or in .env, disables the check.
set -eu

cd "$(dirname "$0")/.."
[ "${DOCKER_CHECK:-}" != no ] || exit 0
! grep -qsx 'DOCKER_CHECK=no' .env || exit 0
found=$(docker version --format '{{.Server.Version}} {{.Server.Platform.Name}}')
case $found in *"Docker Desktop"*) exit 0 ;; esac
version=${found%% *}
major=${version%%.*}
case $major in
    '' | *[!0-9]*) ;;
    *) [ "$major" -lt 28 ] || exit 0 ;;
esac
echo "Docker Engine is ${version:-of no version} here and must be 28.0.0 or newer: before, other hosts on the same" \
    "network can reach what is published on 127.0.0.1, and MLflow asks nobody for a password." \
    "Upgrade it, add docker/auth.yml, or set DOCKER_CHECK=no if you trust that network." >&2
exit 1
