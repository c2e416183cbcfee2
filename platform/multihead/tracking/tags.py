"""Names of the tags that tie a run in the store to its folder, its study and its kind."""

RUN_TAG = "multihead.run"
HOME_TAG = "multihead.home"  # which home has the folder
ERROR_TAG = "multihead.error"
ATTEMPTS_TAG = "multihead.attempts"  # how many there were
DESCRIPTION_TAG = "mlflow.note.content"  # what the page of a run in MLflow begins with
KIND_TAG, STUDY_TAG, TAGS_TAG = "multihead.kind", "multihead.study", "multihead.tags"
NOTES_TAG = "multihead.notes"
METRICS_TAG = "multihead.metrics"  # those of a person's own: titles, units, which way is better
TAG_LENGTH = 5000  # what a store keeps of a tag
