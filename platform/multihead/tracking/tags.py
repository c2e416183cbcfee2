"""Names of a run's tags in the store: its folder, its study, its kind and more."""

RUN_TAG = "multihead.run"
HOME_TAG = "multihead.home"  # id of the home that has the folder
ERROR_TAG = "multihead.error"
ATTEMPTS_TAG = "multihead.attempts"  # number of attempts
DESCRIPTION_TAG = "mlflow.note.content"  # the description at the top of a run's page in MLflow
KIND_TAG, STUDY_TAG, TAGS_TAG = "multihead.kind", "multihead.study", "multihead.tags"
NOTES_TAG = "multihead.notes"
METRICS_TAG = "multihead.metrics"  # the user's own metrics: titles, units, which way is better
TAG_LENGTH = 5000  # characters of a tag that a store keeps
