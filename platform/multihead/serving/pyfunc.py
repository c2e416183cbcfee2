"""The code of a logged model: MLflow copies this file into the model, and runs it to load it.

It reads weights and a description, never a pickle, so it loads where MLflow may not unpickle.
MLflow has no option for a network's class that is none of ours: `MULTIHEAD_TRUST` names it.
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
    """Answer for every head of a network."""

    # MLflow would take types from a hint, which cannot say uint8 [B, H, W, C]; the signature does.
    _skip_type_hint_validation = True

    def load_context(self, context: PythonModelContext) -> None:
        """Build the network from the files that came with this one."""
        self.loaded = read_bundle(Path(context.artifacts["model"]), trust=settings.trusted())

    def predict(  # type: ignore[no-untyped-def]
        self, context: PythonModelContext, model_input, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return a row per image.

        Args:
            context: Not used.
            model_input: Images, uint8 [B, H, W, C].
            params: There are none.

        Returns:
            The columns of `multihead.runs.answers`.

        Raises:
            DataError: For images of another shape or type.
        """
        images = np.asarray(model_input)
        return pd.DataFrame(answers(self.loaded, self.loaded.outputs(images)))


set_model(MultiheadModel())
