#!/bin/sh
# Split a lock in two:  tools/split-lock.sh LOCK REST TORCH
#
# TORCH gets torch and the libraries that only its own build needs, REST everything else, such as
# nvidia-ml-py, with which any build's use of a GPU is measured.
set -eu

: > "$2"
: > "$3"
awk -v rest="$2" -v torch="$3" '
    /^[A-Za-z0-9]/ {
        name = $1
        sub(/[=;[].*/, "", name)
        of_torch = name ~ /^(torch|torchvision|triton|nvidia-.*|cuda-.*)$/ && name != "nvidia-ml-py"
        out = of_torch ? torch : rest
    }
    out { print > out }
' "$1"
