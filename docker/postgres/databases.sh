#!/bin/sh
# A database for MLflow and one for Optuna, each with a role that owns it and nothing else: both
# keep a table alembic_version, so one database cannot hold them. Runs once, in an empty volume.
# The passwords are read by psql itself, so that no argument list shows them.
set -eu

for role in mlflow optuna; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc -q -U "${POSTGRES_USER:-postgres}" -d postgres <<SQL
\set password \`cat /secrets/postgres/$role\`
CREATE ROLE $role LOGIN PASSWORD :'password';
CREATE DATABASE $role OWNER $role;
REVOKE ALL ON DATABASE $role FROM PUBLIC;
SQL
done
