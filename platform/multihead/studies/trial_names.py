"""Names of MLflow tags of a trial's runs, and of user attributes of a trial in Optuna."""

STUDY_TAG, TRIAL_TAG, STATE_TAG = "multihead.study", "multihead.trial", "multihead.state"
PARENT_TAG = "mlflow.parentRunId"
# User attributes of a trial.
RUNS, MLFLOW_RUNS = "runs", "mlflow_runs"  # our ids and MLflow's ids of the runs, by seed
SEED_VALUES = "seed_values"  # the objectives of each finished seed
STEPS = "steps"  # several objectives by step, since Optuna keeps intermediate values of only one
WEIGHTS = "weights"  # loss weights by head
