"""The code of a logged model. MLflow copies this file into the model, and runs it to load it.

It reads weights and a description, but no pickle. So it also works where MLflow may not unpickle.
MLflow has no option to trust a network class of another package; set `MULTIHEAD_TRUST` to its name.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from multihead import settings
from multihead.runs.answers import answers
from multihead.runs.bundle import read_bundle


class MultiheadModel(PythonModel):
    """Return the predictions of every head of a network."""

    # MLflow would use the type hint, which cannot express uint8 [B, H, W, C]. The signature can.
    _skip_type_hint_validation = True

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from the files of the model."""
        self.loaded = read_bundle(Path(context.artifacts["model"]), trust=settings.trusted())

    def predict(  # type: ignore[no-untyped-def]
        self, context: PythonModelContext, model_input, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return a row per image.

        Args:
            context: Not used.
            model_input: Images, uint8 [B, H, W, C].
            params: Not used.

        Returns:
            The columns of `multihead.runs.answers`.

        Raises:
            DataError: If the images have a wrong shape or type.
        """
        images = np.asarray(model_input)
        return pd.DataFrame(answers(self.loaded, self.loaded.outputs(images)))


set_model(MultiheadModel())
