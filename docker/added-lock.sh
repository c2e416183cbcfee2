#!/bin/sh
# Print the packages of a lock file that another one lacks:  docker/added-lock.sh LOCK BASE
set -eu

awk '
    FNR == 1 { keep = 0 }
    /^[A-Za-z0-9]/ {
        name = $1
        sub(/[=;[].*/, "", name)
        keep = !(name in base)
        if (FNR == NR) base[name]
    }
    FNR != NR && keep
' "$2" "$1"
