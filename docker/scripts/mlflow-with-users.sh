#!/bin/sh
# MLflow's server with its users; migrate.py made the first ones.
set -eu

# Signs the form for new users; one key for all worker processes, another one after a restart.
MLFLOW_FLASK_SERVER_SECRET_KEY=$(head -c 24 /dev/urandom | base64)
export MLFLOW_FLASK_SERVER_SECRET_KEY
exec mlflow server --app-name basic-auth
