#!/usr/bin/env bash
# Installs what towline is measured beside and no test needs: curl as a Debian package, crane with
# the Go toolchain into the cache of the benchmarks. Where it cannot, it says what is left out.
set -euo pipefail

crane=v0.20.6
cache=${1:?the cache of the benchmarks}
export PATH="$PATH:$cache/bin:/usr/local/go/bin"

if ! command -v curl >/dev/null && command -v apt-get >/dev/null && [[ $(id -u) == 0 ]]; then
  echo "installing curl"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o DPkg::Lock::Timeout=300 curl; } >/dev/null 2>&1 || true
fi
command -v curl >/dev/null || echo "left out: curl, the limit of the wire (not on this machine)" >&2

if ! command -v crane >/dev/null; then
  if ! command -v go >/dev/null; then
    echo "left out: crane (there is no Go toolchain to build it with)" >&2
    exit 0
  fi
  echo "building crane $crane into $cache/bin"
  mkdir -p "$cache/bin"
  log=$(mktemp)
  # Modules and build cache are kept apart from the user's own, and removed again.
  if ! GOPATH="$cache/go" GOCACHE="$cache/go/build" GOBIN="$cache/bin" GOFLAGS=-modcacherw \
    timeout 180 go install "github.com/google/go-containerregistry/cmd/crane@$crane" >"$log" 2>&1
  then
    echo "left out: crane (it cannot be built here: $(tail -n 1 "$log"))" >&2
  fi
  rm -rf "$log" "$cache/go"
fi
