#!/usr/bin/env bash
# Installs the real tools that the tests run against, as Debian packages, if possible:
# as root, on a machine with apt. Otherwise it prints which tests will be skipped.
# With TOWLINE_REQUIRE_ALL_TOOLS=1 a tool that is still missing at the end is an error.
set -euo pipefail

# command | Debian package | what needs it
tools=(
  "docker-registry|docker-registry|tests against a real registry"
  "skopeo|skopeo|tests that read back with skopeo, and every image made by a real tool"
  "buildah|buildah|tests on images that buildah made"
  "podman|podman|tests on archives that podman saved"
  "umoci|umoci|tests on layouts that umoci made"
  "openssl|openssl|tests over HTTPS"
)

missing() {
  local entry
  for entry in "${tools[@]}"; do
    command -v "${entry%%|*}" >/dev/null 2>&1 || echo "$entry"
  done
}

# Debian's registry and some others live in sbin directories that are not on every PATH.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

mapfile -t wanted < <(missing)
if ((${#wanted[@]})) && command -v apt-get >/dev/null 2>&1 && [[ $(id -u) == 0 ]]; then
  packages=()
  for entry in "${wanted[@]}"; do
    package=${entry#*|}
    packages+=("${package%%|*}")
  done
  echo "installing ${packages[*]}"
  log=$(mktemp)
  # A machine may be starting up: wait for the lock rather than fail on it.
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o DPkg::Lock::Timeout=300 "${packages[@]}"; } >"$log" 2>&1; then
    echo "apt-get could not install them:" >&2
    tail -n 15 "$log" >&2
  fi
  rm -f "$log"
fi

mapfile -t wanted < <(missing)
if ((${#wanted[@]} == 0)); then
  exit 0
fi
for entry in "${wanted[@]}"; do
  IFS='|' read -r command package needs <<<"$entry"
  echo "skipped: $needs ($command is not on this machine; install the package $package)" >&2
done
[[ ${TOWLINE_REQUIRE_ALL_TOOLS:-} != 1 ]]
