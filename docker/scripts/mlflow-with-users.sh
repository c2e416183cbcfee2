#!/bin/sh
# Start MLflow's server with user accounts. migrate.py makes the first users.
set -eu

# Key of the form for new users: the same for all worker processes, new after a restart.
MLFLOW_FLASK_SERVER_SECRET_KEY=$(head -c 24 /dev/urandom | base64)
export MLFLOW_FLASK_SERVER_SECRET_KEY
exec mlflow server --app-name basic-auth
