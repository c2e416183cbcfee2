"""Names of what a trial keeps: tags of its runs in MLflow, user attributes in Optuna."""

STUDY_TAG, TRIAL_TAG, STATE_TAG = "multihead.study", "multihead.trial", "multihead.state"
PARENT_TAG = "mlflow.parentRunId"
# User attributes of a trial.
RUNS, MLFLOW_RUNS = "runs", "mlflow_runs"  # our and MLflow's ids, by seed
SEED_VALUES = "seed_values"  # the objectives of each seed that is done
STEPS = "steps"  # several objectives by step; Optuna keeps those of one objective
WEIGHTS = "weights"  # loss weights by head
