#!/bin/sh
# Write random passwords once:
#
#   /secrets/postgres   passwords of the superuser and of both roles, only for the database
#   /secrets/mlflow     pgpass of the role mlflow
#   /secrets/optuna     pgpass of the role optuna
#   /secrets/users      the MLflow account of the platform's own processes (docker/auth.yml)
#   /secrets/admin      the password of MLflow's first user (docker/auth.yml)
#   /secrets/s3         keys for the S3 server and its clients (docker/s3.yml)
#   /secrets/ray        the token that nodes of the Ray cluster require (docker/ray.yml)
#
# An existing password is never changed. Files that repeat a password are updated, because
# `down -v` keeps a volume that is still in use.
set -eu
umask 077

owner=$(stat -c %u /secrets/postgres)
if [ "$owner" != "$(id -u)" ]; then
    echo "secrets: the volumes belong to user $owner, but these images run as $(id -u): put" \
        "APP_UID=$owner into .env and start again, or remove all data with \`docker compose down -v\`." >&2
    exit 1
fi

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# keep FILE MODE: write stdin to the file atomically, unless it exists.
keep() {
    if [ ! -s "$1" ]; then
        cat > "$1.new"
        chmod "$2" "$1.new"
        mv "$1.new" "$1"
        echo "secrets: made $1"
    fi
}

for role in postgres mlflow optuna; do
    random | keep "/secrets/postgres/$role" 640
    chgrp 999 "/secrets/postgres/$role"
done
for role in mlflow optuna; do
    line=postgres:5432:$role:$role:$(cat "/secrets/postgres/$role")
    [ "$(cat "/secrets/$role/pgpass" 2> /dev/null)" = "$line" ] || rm -f "/secrets/$role/pgpass"
    echo "$line" | keep "/secrets/$role/pgpass" 600
done
random | keep /secrets/admin/password 600
printf '[mlflow]\nmlflow_tracking_username = platform\nmlflow_tracking_password = %s\n' "$(random)" |
    keep /secrets/users/credentials 600

[ "${RAY:-}" != yes ] || random | keep /secrets/ray/token 600

if [ "${S3:-}" = yes ]; then
    key=$(random)
    cat << END | keep /secrets/s3/s3.json 600
{"identities": [{"name": "mlflow", "actions": ["Admin", "Read", "Write", "List"],
  "credentials": [{"accessKey": "mlflow", "secretKey": "$key"}]}]}
END
    key=$(sed -n 's/.*"secretKey": "\([^"]*\)".*/\1/p' /secrets/s3/s3.json)
    printf '[default]\naws_access_key_id = mlflow\naws_secret_access_key = %s\n' "$key" |
        keep /secrets/s3/credentials 600
fi
