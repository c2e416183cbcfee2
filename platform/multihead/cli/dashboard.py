"""Start optuna-dashboard on a study's storage. It has no passwords, so it listens on loopback."""

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from multihead import settings
from multihead.cli.ui import HOST, free_port
from multihead.terminal.lines import say

if TYPE_CHECKING:
    from multihead.studies.definition import Definition

PORT = 8080


def serve(definition: "Definition") -> None:
    """Serve the dashboard until Ctrl-C.

    Raises:
        ConfigError: If the storage has no such study.
    """
    from multihead.studies.registry import known
    from multihead.studies.storage import StudyStorage
    from multihead.tracking.secrets import masked_uri

    url = definition.storage_url
    storage = StudyStorage(url)
    known(storage, definition.name)
    storage.close()
    port = free_port(PORT)
    say(f"optuna-dashboard on {masked_uri(url)}", f"  http://{HOST}:{port}", "Ctrl-C stops it")
    environment = os.environ | {
        settings.STUDIES_VARIABLE: url,
        "HOST": HOST,
        "PORT": str(port),
        "ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
    }
    server = [sys.executable, "-m", "multihead.studies.dashboard"]
    with subprocess.Popen(server, env=environment) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.terminate()
