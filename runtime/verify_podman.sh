#!/bin/bash
# Podman from nothing, on a Debian or Ubuntu machine that reaches a package mirror but no container registry: install
# it, make a base image, build runtime/Dockerfile on it, run the container tests and try the walls under the flags of a
# submission. What is done already is skipped or comes from the cache. `make verify-podman`
#   BASE_IMAGE     use this image instead of making one with debootstrap
#   MIRROR         Debian mirror for the base image
#   CPU_OR_GPU     which lock file (cpu)
#   CA_FILE        certificates for apt and pip while the image is built (those of this machine); not kept in the image
#   PIP_CONF       pip.conf with your package index while the image is built; not kept in the image
#   BUILD_OPTIONS  further options of podman build
set -euo pipefail
cd "$(dirname "$0")/.."
CPU_OR_GPU=${CPU_OR_GPU:-cpu}
IMAGE=${SUBMISSION_IMAGE:-localhost/whaledo-runtime:$CPU_OR_GPU}
BASE=${BASE_IMAGE:-localhost/whaledo-base:bookworm}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
CA_FILE=${CA_FILE-/etc/ssl/certs/ca-certificates.crt}
scratch=$(mktemp -d)
name=whaledo-verify-$$
finish() { podman rm -f -t 0 "$name" >/dev/null 2>&1 || true; rm -rf "$scratch"; }
trap finish EXIT
trap 'exit 130' INT TERM

verified=()
ok() { verified+=("$1"); echo "== $1"; }
exec 3>&2 # what a person has to read, even where the rest goes to a log
fail() { echo "verify_podman: $1" >&3; exit 1; }
as_root() { # $1: why
    if [ "$EUID" = 0 ]; then "${@:2}"
    elif sudo -n true 2>/dev/null; then sudo "${@:2}"
    else fail "$1 needs root; type: sudo ${*:2}"; fi
}

# -- tools
missing=()
for tool in podman runc; do command -v $tool >/dev/null || [ -x /usr/sbin/$tool ] || missing+=($tool); done
[ "$EUID" = 0 ] || command -v newuidmap >/dev/null || missing+=(uidmap slirp4netns fuse-overlayfs)
podman image exists "$BASE" 2>/dev/null || [ -n "${BASE_IMAGE:-}" ] || [ -x /usr/sbin/debootstrap ] || missing+=(debootstrap)
if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || fail "there is no apt here; install ${missing[*]} yourself."
    as_root "installing ${missing[*]}" sh -c "apt-get -q update && apt-get -qy install --no-install-recommends ${missing[*]}" \
        >"$scratch/apt.log" 2>&1 || { tail -5 "$scratch/apt.log" >&2; fail "apt-get could not install ${missing[*]}."; }
fi
driver=$(podman info -f '{{.Store.GraphDriverName}}')
[ "$driver" != vfs ] || fail "podman's storage driver is vfs, which copies the whole image at every start; put
    [storage]
    driver = \"overlay\"
into ~/.config/containers/storage.conf, then podman system reset."
ok "$(podman --version), $(podman info -f '{{.Host.OCIRuntime.Name}}, cgroup {{.Host.CgroupsVersion}}, rootless {{.Host.Security.Rootless}}'), storage $driver"

# -- base image
if ! podman image exists "$BASE"; then
    if [ -n "${BASE_IMAGE:-}" ]; then podman pull -q "$BASE" >/dev/null || fail "$BASE can neither be found here nor pulled."
    else
        as_root "debootstrap" /usr/sbin/debootstrap --variant=minbase bookworm "$scratch/root" "$MIRROR" >"$scratch/debootstrap.log" 2>&1 ||
            { tail -3 "$scratch/debootstrap.log" >&2; fail "debootstrap failed; MIRROR is $MIRROR."; }
        as_root "packing the base image" tar -C "$scratch/root" --exclude='./var/cache/apt/archives/*.deb' \
            --exclude='./var/lib/apt/lists/*' -c . | podman import -q --change CMD=/bin/bash - "$BASE" >/dev/null
        as_root "removing $scratch/root" rm -rf "$scratch/root"
    fi
fi
ok "base image $BASE"

# -- how podman can run something here: as it comes, or with runc, or with limits that this user may set, or both
at_most() { [ "$1" = unlimited ] || [ "$1" -gt "$2" ] && echo "$2" || echo "$1"; }
files=$(at_most "$(ulimit -Hn)" 65536) processes=$(at_most "$(ulimit -Hu)" 32768)
ulimits="--ulimit nofile=$files:$files --ulimit nproc=$processes:$processes"
rootless=$(podman info -f '{{.Host.Security.Rootless}}')
sealed="--rm --pull never --network none --no-hosts --http-proxy=false --hostname submission --read-only
    --read-only-tmpfs=false --tmpfs /tmp:size=8g,mode=1777,exec --tmpfs /home/submission:size=8g,mode=1777,exec
    --shm-size 8g --user 1000:1000 --cap-drop all --security-opt no-new-privileges --log-driver none"
[ "$rootless" = false ] || sealed+=" --userns keep-id:uid=1000,gid=1000"
engine='' extra=''
for extra in "" "$ulimits"; do
    for engine in podman "podman --runtime runc"; do
        # shellcheck disable=SC2086
        problem=$($engine run $sealed $extra --entrypoint /bin/true "$BASE" 2>&1) && break 2
        engine=''
    done
done
[ -n "$engine" ] || fail "podman cannot start a container here: $problem"
ok "$engine run $extra starts a container"
run() { # $1: seconds; then options, image, command
    # shellcheck disable=SC2086
    $engine run --name "$name" --timeout "$1" $sealed $extra --env USER=submission --env HOME=/home/submission "${@:2}"
}

# -- the image
isolation=''
printf 'FROM %s\nRUN true\n' "$BASE" > "$scratch/Dockerfile"
if ! trial=$(podman build -q --no-cache -f "$scratch/Dockerfile" "$scratch" 2>/dev/null); then
    isolation='--isolation chroot'
    # shellcheck disable=SC2086
    trial=$(podman build -q --no-cache $isolation -f "$scratch/Dockerfile" "$scratch") || fail "podman cannot build an image here."
fi
podman rmi "$trial" >/dev/null
secrets=()
[ ! -s "$CA_FILE" ] || secrets+=(--secret "id=ca.crt,src=$CA_FILE")
[ -z "${PIP_CONF:-}" ] || secrets+=(--secret "id=pip.conf,src=$PIP_CONF")
before=$(podman image inspect -f '{{.Id}}' "$IMAGE" 2>/dev/null || true)
start=$SECONDS
# shellcheck disable=SC2086
podman build $isolation --build-arg BASE_IMAGE="$BASE" --build-arg CPU_OR_GPU="$CPU_OR_GPU" "${secrets[@]}" ${BUILD_OPTIONS:-} \
    -t "$IMAGE" runtime >"$scratch/build.log" 2>&1 || { tail -15 "$scratch/build.log" >&2; fail "the image could not be built."; }
[ "$before" = "$(podman image inspect -f '{{.Id}}' "$IMAGE")" ] || podman rmi $before >/dev/null 2>&1 || true # now nameless
cached=$(grep -c 'Using cache' "$scratch/build.log" || true)
ok "podman build $isolation of $IMAGE in $((SECONDS - start)) s ($cached steps from the cache), $(podman image inspect -f '{{.Size}}' "$IMAGE" | awk '{printf "%.2f GB", $1/1e9}')"

# -- the tests, in the container
cpus=$(nproc); [ "$cpus" -le 6 ] || cpus=6
limits=(--memory 6g --memory-swap 6g --cpus "$cpus" --pids-limit 1024)
run 900 "${limits[@]}" --env OMP_NUM_THREADS="$cpus" --mount "type=bind,\"source=$PWD/runtime\",destination=/runtime,readonly" \
    --entrypoint python "$IMAGE" -m pytest -q -p no:cacheprovider /runtime/tests >"$scratch/tests.log" 2>&1 ||
    { tail -30 "$scratch/tests.log" >&2; fail "the container tests failed."; }
ok "container tests: $(tail -1 "$scratch/tests.log")"

# -- the walls
code() { local c=0; "$@" >"$scratch/out" 2>&1 || c=$?; echo $c; }
controllers=$(podman info -f '{{.Host.CgroupControllers}}')
if [[ $controllers == *memory* ]]; then
    [ "$(code run 60 --memory 200m --memory-swap 200m --entrypoint python "$IMAGE" -c 'x = b"1" * 10**9')" = 137 ] || fail "--memory does not hold."
    ok "memory: 1 GB under a limit of 200 MB is killed (137)"
else echo "== memory: NOT limited here: podman has no memory controller (rootless on cgroup v1?)"; fi
if [[ $controllers == *pids* ]]; then
    code run 60 --pids-limit 64 --entrypoint bash "$IMAGE" -c 'for i in {1..200}; do sleep 9 & done; echo unlimited' >/dev/null
    grep -q fork "$scratch/out" && ! grep -q unlimited "$scratch/out" || fail "--pids-limit does not hold."
    ok "processes: the 64th fork fails"
else echo "== processes: NOT limited here: podman has no pids controller"; fi
start=$SECONDS
code run 3 --entrypoint bash "$IMAGE" -c 'trap "" TERM INT; while :; do sleep 1; done' >/dev/null
[ $((SECONDS - start)) -le 15 ] && ! podman container exists "$name" || fail "--timeout does not hold."
ok "time: one that ignores SIGTERM is gone after its 3 s"
run 60 --entrypoint bash "$IMAGE" -c 'trap "" TERM; setsid sleep 50 & while :; do sleep 1; done' & client=$!
until [ "$(podman inspect -f '{{.State.Running}}' "$name" 2>/dev/null)" = true ]; do sleep .2; done
kill -9 $client; wait $client 2>/dev/null || true
podman rm -f -t 0 "$name" >/dev/null
! podman container exists "$name" || fail "podman rm -f left $name behind."
ok "nothing left behind by podman rm -f, also when the podman client was killed"
mkdir "$scratch/work" && [ "$rootless" = true ] || chown 1000:1000 "$scratch/work"
run 60 --mount "type=bind,\"source=$scratch/work\",destination=/code_execution" --mount "type=bind,\"source=$PWD/runtime\",destination=/data,readonly" \
    --workdir /code_execution --entrypoint bash "$IMAGE" -c 'echo moo > out && ! touch /data/x 2>/dev/null'
[ "$(cat "$scratch/work/out")" = moo ] || fail "the work folder cannot be written."
ok "mounts: the work folder is writable by user id 1000, data is not"
times=()
for _ in 1 2 3; do
    start=$(date +%s%N); run 60 --entrypoint true "$IMAGE"; times+=($((($(date +%s%N) - start)/1000000)))
done
ok "start-up: ${times[*]} ms"
ok "$(ENGINE=podman bash runtime/tests/registry_roundtrip.sh "$BASE")"

echo; echo "verified:"; printf '  %s\n' "${verified[@]}"
