#!/bin/sh
# Write random passwords, once, for those that need them:
#
#   /secrets/postgres   passwords of the superuser and of both roles, for the database alone
#   /secrets/mlflow     pgpass of the role mlflow
#   /secrets/optuna     pgpass of the role optuna
#   /secrets/users      how the platform's own processes name themselves to MLflow (docker/auth.yml)
#   /secrets/admin      the password of MLflow's first user (docker/auth.yml)
#
# Nothing that is there is changed. A password is in a file before anybody who uses it starts.
set -eu
umask 077

random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_'; }

# keep FILE MODE: write stdin whole or not at all, unless the file is there.
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
    printf 'postgres:5432:%s:%s:%s\n' "$role" "$role" "$(cat "/secrets/postgres/$role")" |
        keep "/secrets/$role/pgpass" 600
done
random | keep /secrets/admin/password 600
printf '[mlflow]\nmlflow_tracking_username = platform\nmlflow_tracking_password = %s\n' "$(random)" |
    keep /secrets/users/credentials 600
