"""Log the metrics of an epoch before the epoch's checkpoint is written."""

import lightning.pytorch as pl


def log_epoch(trainer: pl.Trainer) -> None:
    """Log the training epoch's metrics now.

    Lightning logs them after the callbacks at the end of the epoch, one of which writes the
    checkpoint. If the process were killed in between, the resumed run would start after the epoch
    and never log its metrics. Lightning logs them a second time; the store keeps one per step.
    """
    # Lightning has no public attribute with the metrics of this epoch only.
    metrics = trainer._logger_connector.metrics["log"]
    if "step" not in metrics:
        return
    values = {name: float(value) for name, value in metrics.items() if name != "step"}
    for logger in trainer.loggers:
        logger.log_metrics(values, step=int(metrics["step"]))
