#!/usr/bin/env bash
# test_pythons.sh VERSION...: runs the tests of the library on each of these versions of Python, in
# development mode and with warnings as errors. Each has an environment .venv-VERSION in the
# checkout. All use the same wheel, which has the extension that `make build` compiled.
# PYTEST_ARGS has further arguments for pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

folders=(tests/unit tests/laws tests/machines tests/contracts tests/twins tests/faults)

interpreter() { # VERSION: its path, from PATH or from pyenv
  local each
  for each in "python$1" "$HOME/.pyenv/versions/$1".*/bin/python; do
    if [[ $("$each" -I -c 'import ensurepip, sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$1" ]]; then
      command -v "$each"
      return
    fi
  done
  return 1
}

failed=()
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
maturin build --release --manifest-path rust/Cargo.toml --out "$wheels" >"$wheels/log" 2>&1 ||
  { cat "$wheels/log" >&2; exit 1; }

for version in "$@"; do
  printf '\n== Python %s\n' "$version"
  if ! python=$(interpreter "$version"); then
    echo "towline: there is no Python $version with its venv module: install it, with pyenv install" \
      "$version for example, or choose the versions, as in make test-pythons PYTHONS=3.11." >&2
    failed+=("$version")
    continue
  fi
  environment=$PWD/.venv-$version
  [[ -x $environment/bin/python ]] || "$python" -m venv --clear "$environment"
  install=("$environment/bin/python" -m pip --quiet --disable-pip-version-check install)
  "${install[@]}" --require-hashes --requirement requirements/dev.txt
  "${install[@]}" --no-deps --force-reinstall "$wheels"/*.whl
  # Variables, since options such as -X dev would not reach the processes that the tests start.
  PYTHONDEVMODE=1 PYTHONWARNINGS=error VIRTUAL_ENV=$environment PATH=$environment/bin:$PATH \
    "$environment/bin/python" -m pytest --numprocesses 2 --dist worksteal "${folders[@]}" \
    ${PYTEST_ARGS:-} || failed+=("$version")
done

if ((${#failed[@]})); then
  echo "towline: the tests failed on Python ${failed[*]}" >&2
  exit 1
fi
