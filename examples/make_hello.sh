#!/usr/bin/env bash
# Creates hello.tar, the image of the README's first command, from hello.c: a program with two system
# calls in an image with one layer, written by buildah as an oci-archive. Needs gcc and buildah.
# The same inputs and tools give the same image.
set -euo pipefail
cd "$(dirname "$0")"

readonly name=localhost/hello:latest
readonly epoch=1767225600 # 2026-01-01, the time of every file and of the image

work=$(mktemp -d)
# vfs needs no overlay mounts; a separate root keeps the user's images unchanged.
buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")
trap 'rm -rf "$work"' EXIT

gcc -Os -Wall -Wextra -Werror -ffreestanding -nostdlib -static -fno-pie -no-pie \
  -fno-asynchronous-unwind-tables -fno-stack-protector -Wl,--build-id=none,-z,norelro,-n -s \
  -o "$work/hello" hello.c
chmod 0755 "$work/hello"
echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/policy.json"

container=$("${buildah[@]}" from scratch)
"${buildah[@]}" copy --quiet "$container" "$work/hello" /hello >/dev/null
"${buildah[@]}" config \
  --arch amd64 --os linux --entrypoint '["/hello"]' --created-by "examples/make_hello.sh" \
  --label org.opencontainers.image.title=hello \
  --label org.opencontainers.image.description="The smallest image that says something" \
  --label org.opencontainers.image.version=1.0.0 \
  --label org.opencontainers.image.licenses=Apache-2.0 \
  "$container"
rm -f hello.tar
"${buildah[@]}" commit --quiet --format oci --disable-compression=false --timestamp "$epoch" \
  --signature-policy "$work/policy.json" "$container" "oci-archive:hello.tar:$name" >/dev/null
"${buildah[@]}" rm "$container" >/dev/null
ls -l hello.tar
