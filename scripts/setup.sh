#!/usr/bin/env bash
# Makes this checkout ready to build and run: Node, Debian packages, npm packages. Safe to run again; a second run
# takes a moment. `--test` adds what the tests need. STARLING_SKIP_APT=1 leaves Debian packages alone.
set -euo pipefail
cd "$(dirname "$0")/.."

node_major_min=20
stamp=node_modules/.starling-setup
with_tests=no
for argument in "$@"; do
  case "$argument" in
    --test) with_tests=yes ;;
    *) echo "setup: unknown argument $argument (only --test is known)" >&2; exit 2 ;;
  esac
done

say() { echo "setup: $*"; }
# The first line says what is wrong; the others are advice, unmarked so that a command can be copied whole.
stop() { printf 'setup: %s\n' "$1" >&2; shift; (($# == 0)) || printf '%s\n' "$@" >&2; exit 1; }

# Runs a long command quietly: shows that it is under way, and the end of its output if it fails.
long_step() {
  local label=$1; shift
  local log began=$SECONDS shown=0 status=0 child
  log=$(mktemp "${TMPDIR:-/tmp}/starling-setup.XXXXXX")
  say "$label ..."
  "$@" >"$log" 2>&1 </dev/null &
  child=$!
  trap 'kill "$child" 2>/dev/null || true; exit 130' INT TERM
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.2
    if ((SECONDS - began >= shown + 10)); then
      shown=$((SECONDS - began))
      say "  still at it, $shown s"
    fi
  done
  wait "$child" || status=$?
  trap - INT TERM
  if ((status != 0)); then
    # npm says what is wrong first, compilers and apt last.
    if (($(wc -l <"$log") <= 50)); then cat "$log" >&2; else
      head -n 15 "$log" >&2; echo "  [...]" >&2; tail -n 30 "$log" >&2
    fi
    stop "$label: failed after $((SECONDS - began)) s. The whole output is in $log"
  fi
  rm -f "$log"
  say "$label: done in $((SECONDS - began)) s"
}

debian_release() { # "12", "13", or nothing when this is not Debian or a child of it
  [ -r /etc/os-release ] || return 0
  (. /etc/os-release
    case " ${ID:-} ${ID_LIKE:-} " in *" debian "*) echo "${VERSION_ID:-unknown}" ;; esac)
}

check_node() {
  local found=none
  if command -v node >/dev/null; then found=$(node -p 'process.versions.node'); fi
  if [ "$found" != none ] && [ "${found%%.*}" -ge "$node_major_min" ]; then
    command -v npm >/dev/null || stop "node $found is here but npm is not. On Debian: apt-get install npm"
    return
  fi
  stop "Node $node_major_min or newer is needed; found: $found." \
    "  Debian 13:  apt-get install nodejs npm" \
    "  Debian 12 has Node 18, which is too old; take it from NodeSource:" \
    "    curl -fsSL https://deb.nodesource.com/setup_20.x | bash - && apt-get install -y nodejs" \
    "  Elsewhere:  https://nodejs.org/en/download"
}

group_building=(build-essential python3 pkg-config libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev)
group_capture=(gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad
  gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-tools)
group_testing=(ffmpeg chromium fonts-dejavu-core iproute2 bird2 fuse3 libfuse3-dev e2fsprogs mount mosquitto
  mosquitto-clients libnss3-tools zsh fish mmdebstrap debian-archive-keyring mtools dosfstools fdisk zstd
  qemu-system-x86 smartmontools socat python3-gi gir1.2-gst-rtsp-server-1.0 glib-networking gstreamer1.0-alsa openssl)
# Only the bench against it needs serf, so a release without it is no obstacle.
group_peers=(serf)

missing_packages=()
find_missing() {
  local reason=$1; shift
  local installed package here=()
  installed=$(dpkg-query -W -f='${db:Status-Abbrev}${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii *//p' || true)
  for package in "$@"; do
    grep -qx -- "$package" <<<"$installed" && continue
    # Raspberry Pi OS calls its browser package otherwise; the program is what counts.
    [ "$package" = chromium ] && command -v chromium >/dev/null && continue
    here+=("$package")
  done
  ((${#here[@]} == 0)) && return
  say "needed for $reason: ${here[*]}"
  missing_packages+=("${here[@]}")
}

install_packages() {
  if [ "${STARLING_SKIP_APT:-}" = 1 ]; then
    say "STARLING_SKIP_APT=1: Debian packages are left alone"
    return
  fi
  if [ -z "$(debian_release)" ] || ! command -v apt-get >/dev/null; then
    say "this is not Debian, so you install these yourself: a C++ compiler, make, Python 3, pkg-config,"
    say "GStreamer 1.x with its development files, its base, good, bad, ugly and libav plugins and its tools"
    [ "$with_tests" = no ] || say "and for the tests: ffmpeg, Chromium, the DejaVu fonts, iproute2, BIRD 2, FUSE 3, e2fsprogs, Mosquitto and its clients, certutil of NSS, zsh, fish, mmdebstrap, mtools, dosfstools, fdisk, zstd, QEMU, smartmontools, socat, GStreamer's RTSP server with its Python binding, Serf"
    return
  fi
  find_missing "building native addons" "${group_building[@]}"
  find_missing "capture" "${group_capture[@]}"
  if [ "$with_tests" = yes ]; then
    find_missing "the tests" "${group_testing[@]}"
    find_missing "a bench" "${group_peers[@]}"
    drop_unknown "${group_peers[@]}"
  fi
  ((${#missing_packages[@]} == 0)) && return

  local as_root=() apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120)
  if [ "$(id -u)" != 0 ]; then
    # Ask for the password here, where it can be seen, and not inside a step whose output goes to a file.
    if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
      stop "you are not root and sudo cannot be used here. Run this as root, then try again:" \
        "  apt-get update && apt-get install -y --no-install-recommends ${missing_packages[*]}"
    fi
    as_root=(sudo)
  fi
  long_step "apt-get update" "${as_root[@]}" "${apt[@]}" update
  drop_unknown "${group_peers[@]}"
  ((${#missing_packages[@]} == 0)) && return
  long_step "apt-get install (${#missing_packages[@]} packages)" \
    "${as_root[@]}" "${apt[@]}" install -y --no-install-recommends "${missing_packages[@]}"
  quieten bird2 bird
  quieten serf serf
  quieten mosquitto mosquitto
  quieten smartmontools smartmontools
}

# Leaves out those of these packages that this release does not have, once apt knows what it has.
drop_unknown() {
  local package kept=()
  compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || return 0
  for package in "${missing_packages[@]}"; do
    if [[ " $* " == *" $package "* ]] && ! apt-cache show "$package" >/dev/null 2>&1; then
      say "this release has no $package: the bench against it will not run"
    else
      kept+=("$package")
    fi
  done
  missing_packages=("${kept[@]}")
}

# A package that was just installed starts its daemon, now and with the machine. Only the program is wanted here.
quieten() {
  local package=$1 daemon=$2
  [[ " ${missing_packages[*]} " == *" $package "* ]] || return 0
  "${as_root[@]}" /usr/sbin/service "$daemon" stop >/dev/null 2>&1 || true
  "${as_root[@]}" /usr/sbin/update-rc.d "$daemon" disable >/dev/null 2>&1 ||
    say "the daemon $daemon could not be disabled and starts with this machine"
}

install_modules() {
  local wanted prefix
  wanted=$({ cat package-lock.json; node -p 'process.versions.modules + process.arch'; } | sha256sum | cut -d' ' -f1)
  if [ -r "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then return; fi

  # Node's own headers, when they came with it, spare node-gyp a download.
  prefix=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
  if [ -r "$prefix/include/node/node_version.h" ]; then
    export npm_config_nodedir=${npm_config_nodedir:-$prefix}
  fi
  long_step "npm ci (compiles the native addons)" npm ci --include=dev --no-audit --no-fund
  check_addon gstreamer-superficial "GStreamer's development files (libgstreamer1.0-dev)"
  check_addon classic-level "a C++ compiler (build-essential)"
  echo "$wanted" >"$stamp"
}

check_addon() {
  local addon=$1 needs=$2 trouble
  if ! trouble=$(node -e "require('$addon')" 2>&1); then
    printf '%s\n' "$trouble" | tail -n 12 >&2
    stop "the native addon $addon was installed but does not load. It needs $needs." \
      "Install that, delete node_modules, and run: npm run setup"
  fi
}

check_node
install_packages
install_modules
say "ready (node $(node -p 'process.versions.node'))"
