#!/bin/sh
# Make a database for MLflow and one for Optuna, each with its own role. Both need a table
# alembic_version, so they cannot share a database. Runs once, in an empty volume. psql reads the
# passwords itself, so that they are not visible in a list of processes.
set -eu

for role in mlflow optuna; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "${POSTGRES_USER:-postgres}" -d postgres <<SQL
\set password \`cat /secrets/postgres/$role\`
CREATE ROLE $role LOGIN PASSWORD :'password';
CREATE DATABASE $role OWNER $role;
REVOKE ALL ON DATABASE $role FROM PUBLIC;
SQL
done
