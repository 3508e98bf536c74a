#!/bin/bash
# `make pull` against a registry on localhost: put a new layer on an image, push that, forget it, pull it back, compare.
#   bash runtime/tests/registry_roundtrip.sh IMAGE [COMMAND THAT PULLS $SUBMISSION_IMAGE]
# for example: registry_roundtrip.sh localhost/whaledo-base:bookworm make pull ENGINE=podman
# The registry is Debian's docker-registry: the installed one, or one unpacked into a scratch folder, so that nothing is
# installed and no service is left. ENGINE=docker does the same with docker.
set -euo pipefail
image=${1:?name an image, such as localhost/whaledo-base:bookworm}; shift
export ENGINE=${ENGINE:-podman}
[ "$ENGINE" = docker ] && plain=() || plain=(--tls-verify=false) # docker asks no localhost for a certificate
[ $# -gt 0 ] || set -- "$ENGINE" pull -q "${plain[@]}" '$SUBMISSION_IMAGE'

scratch=$(mktemp -d) server='' SUBMISSION_IMAGE=''
finish() {
    [ -z "$SUBMISSION_IMAGE" ] || "$ENGINE" rmi "$SUBMISSION_IMAGE" >/dev/null 2>&1 || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT

registry=$(command -v docker-registry || true)
if [ -z "$registry" ]; then
    chmod 755 "$scratch" && cd "$scratch"
    apt-get -q download docker-registry >/dev/null 2>&1 ||
        { echo "registry_roundtrip: docker-registry is neither installed nor to be had from apt; sudo apt-get install docker-registry" >&2; exit 1; }
    dpkg-deb -x docker-registry_*.deb . && cd "$OLDPWD"
    registry=$scratch/usr/bin/docker-registry
fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat > "$scratch/config.yml" <<YAML
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: $scratch/images}}
http: {addr: "127.0.0.1:$port"}
YAML
"$registry" serve "$scratch/config.yml" >"$scratch/log" 2>&1 & server=$!
for _ in $(seq 50); do (: < "/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep .1; done
kill -0 $server 2>/dev/null || { echo "registry_roundtrip: the registry did not start: $(tail -1 "$scratch/log")" >&2; exit 1; }

export SUBMISSION_IMAGE=localhost:$port/roundtrip:test
id() { "$ENGINE" image inspect -f '{{.Id}}' "$1"; }
mkdir "$scratch/context" && date +%s.%N > "$scratch/context/stamp" # so that this image was never here before
printf 'FROM %s\nCOPY stamp /stamp\n' "$image" > "$scratch/context/Dockerfile"
"$ENGINE" build -q -t "$SUBMISSION_IMAGE" "$scratch/context" >/dev/null
pushed=$(id "$SUBMISSION_IMAGE")
"$ENGINE" push -q "${plain[@]}" "$SUBMISSION_IMAGE" >/dev/null
"$ENGINE" rmi "$SUBMISSION_IMAGE" >/dev/null
if id "$pushed" >/dev/null 2>&1; then echo "registry_roundtrip: $pushed is still here" >&2; exit 1; fi
eval "$*" >/dev/null
[ "$(id "$SUBMISSION_IMAGE")" = "$pushed" ] || { echo "registry_roundtrip: another image came back" >&2; exit 1; }
echo "registry_roundtrip: $image and a new layer went to localhost:$port and came back the same with: $*"
