#!/bin/sh
# Report a missing NVIDIA runtime before the engine refuses a container that reserves a GPU.
# /host is the host's /usr. GPU_CHECK=no skips this check, for toolkits in other folders.
set -eu

[ "$GPU_CHECK" != no ] || exit 0
for place in bin local/bin local/nvidia/toolkit; do
    [ ! -e "/host/$place/nvidia-container-runtime" ] || exit 0
    [ ! -e "/host/$place/nvidia-container-runtime-hook" ] || exit 0
done
grep -qi microsoft /proc/version && exit 0 # Docker Desktop has the runtime in its virtual machine
echo "This host has no NVIDIA runtime: install the driver and the package nvidia-container-toolkit," \
    "run \`nvidia-ctk runtime configure --runtime=docker\`, restart the engine" \
    "(docs/containers.md); or use --profile cpu." >&2
exit 1
