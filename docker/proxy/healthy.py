"""Exit 0 if MLflow answers through the proxy. The expected status is 401: no password."""

import ssl
import sys
import urllib.error
import urllib.request
from pathlib import Path

scheme = "https" if Path("/tmp/tls.conf").stat().st_size else "http"
request = urllib.request.Request(f"{scheme}://127.0.0.1:5000/", headers={"Host": "mlflow:5000"})
try:
    # The certificate is for another host name than this address.
    urllib.request.urlopen(request, timeout=4, context=ssl._create_unverified_context())
except urllib.error.HTTPError as error:
    sys.exit(0 if error.code == 401 else 1)
sys.exit(1)
