#!/usr/bin/env bash
# Runs a command as root with the caller's Go caches and environment.
set -euo pipefail
if [ "$(id -u)" -eq 0 ]; then
  exec "$@"
fi
command -v sudo >/dev/null || { echo "needs root: run as root, or install sudo" >&2; exit 1; }
exec sudo --preserve-env=PATH,HOME,GOFLAGS,CGO_ENABLED,GOTOOLCHAIN,REQUIRE,BULKHEAD_CORPUS,BULKHEAD_ENGINE,XDG_CACHE_HOME,CI \
  env GOCACHE="$(go env GOCACHE)" GOMODCACHE="$(go env GOMODCACHE)" GOPROXY="$(go env GOPROXY)" "$@"
