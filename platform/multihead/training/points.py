"""Points of an epoch that must be on record before the epoch's checkpoint is."""

import lightning.pytorch as pl


def log_epoch(trainer: pl.Trainer) -> None:
    """Log the training epoch's metrics now.

    Lightning logs them after the callbacks of the epoch's end, among which the checkpoint is
    written. A process killed between the two would resume after the epoch, and its points would
    be missing for ever. Lightning still logs them; the record keeps one point per step.
    """
    # No public attribute has the metrics of this epoch without those of earlier ones.
    metrics = trainer._logger_connector.metrics["log"]
    if "step" not in metrics:
        return
    values = {name: float(value) for name, value in metrics.items() if name != "step"}
    for logger in trainer.loggers:
        logger.log_metrics(values, step=int(metrics["step"]))
