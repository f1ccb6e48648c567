#!/usr/bin/env bash
# check.sh PYTHON VENV: checks what `make` needs before it installs and compiles anything.
# PYTHON creates the environment VENV if that does not exist yet. Prints one sentence for each
# requirement that is missing, and then fails.
set -euo pipefail

python=$1 venv=$2
least_python=3.11
least_rust=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$(dirname "$0")/../rust/Cargo.toml")
failed=0

missing() {
  printf 'towline: %s\n' "$*" >&2
  failed=1
}

at_least() { # VERSION MINIMUM
  [[ $1 == [0-9]* && $(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1) == "$2" ]]
}

python_version() {
  "$1" -I -c 'import sys; print(".".join(map(str, sys.version_info[:3])))' 2>/dev/null
}

if [[ -x $venv/bin/python ]]; then
  found=$(python_version "$venv/bin/python" || true)
  if [[ -z $found ]]; then
    missing "the Python of the environment $venv does not run: remove the environment."
  elif ! at_least "$found" "$least_python"; then
    missing "the environment $venv has Python $found, but $least_python or newer is needed:" \
      "deactivate or remove it."
  elif ! "$venv/bin/python" -I -c 'import pip' 2>/dev/null; then
    missing "the environment $venv has no pip: run $venv/bin/python -m ensurepip."
  fi
elif ! command -v "$python" >/dev/null; then
  missing "Python $least_python or newer is needed, but there is no $python: install it, or name" \
    "another one, as in make PYTHON=python3.12."
else
  found=$(python_version "$python" || true)
  if ! at_least "${found:-0}" "$least_python"; then
    missing "Python $least_python or newer is needed, but $python is ${found:-unusable}: name a newer" \
      "one, as in make PYTHON=python3.12."
  elif ! "$python" -I -c 'import ensurepip, venv' 2>/dev/null; then
    missing "$python cannot create a virtual environment: install its venv module (on Debian the" \
      "package python3-venv)."
  fi
fi

rust="Rust $least_rust or newer is needed"
source="install it from https://rustup.rs (on Debian 13 the packages rustc and cargo will do)."
if ! command -v cargo >/dev/null || ! command -v rustc >/dev/null; then
  missing "$rust, but cargo or rustc is not in PATH: $source"
else
  found=$(rustc --version 2>/dev/null | cut -d ' ' -f 2 || true)
  at_least "${found:-0}" "$least_rust" || missing "$rust, but rustc is ${found:-unusable}: $source"
fi

if ! command -v cc >/dev/null; then
  missing "a C compiler is needed for the compression libraries, but cc is not in PATH: install gcc" \
    "(on Debian the packages gcc and libc6-dev)."
fi

exit "$failed"
