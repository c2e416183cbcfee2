#!/bin/sh
# Exit with an error if services would be published beyond this host without passwords.
set -eu

case "$BIND_ADDRESS" in
    127.* | ::1 | '[::1]') exit 0 ;;
esac
[ "${AUTH:-}" = yes ] && exit 0
echo "BIND_ADDRESS=$BIND_ADDRESS would publish MLflow and the dashboard, which ask nobody for a" \
    "password, beyond this host. Add docker/auth.yml" \
    "(COMPOSE_FILE=docker-compose.yml:docker/auth.yml), or use 127.0.0.1." >&2
exit 1
