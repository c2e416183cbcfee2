#!/bin/sh
# Split a lock in two:  tools/split-lock.sh LOCK REST TORCH
#
# TORCH gets torch and the libraries that only its own build needs, REST everything else.
set -eu

: > "$2"
: > "$3"
awk -v rest="$2" -v torch="$3" '
    /^[A-Za-z0-9]/ {
        name = $1
        sub(/[=;[].*/, "", name)
        out = name ~ /^(torch|torchvision|triton|nvidia-.*|cuda-.*)$/ ? torch : rest
    }
    out { print > out }
' "$1"
