#!/bin/sh
# setup.sh: what `npm start` and `npm test` run first. Sees to it that Node is new enough, that the packages of the
# lock file are installed and that there is a redis-server (`setup.sh client`: not that, a client needs none). Silent,
# and no network, when everything is there.
set -eu
cd "$(dirname "$0")"

say() { echo "setup.sh: $*" >&2; }

version=$(node --version 2>/dev/null) || version=none
major=${version#v}
major=${major%%.*}
case $major in
*[!0-9]* | '') major=0 ;;
esac
if [ "$major" -lt 20 ]; then
  say "Node $version found, wanted v20 or newer; see https://nodejs.org"
  exit 1
fi

# npm writes node_modules/.package-lock.json at the end of an install, so it tells a finished one.
installed() { [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ]; }

# Two setups at once in one folder would delete each other's packages: one installs, the other waits.
lock=.setup-lock
if ! installed; then
  until mkdir "$lock" 2>/dev/null; do
    owner=$(cat "$lock/pid" 2>/dev/null || echo)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then rm -rf "$lock"; else sleep 1; fi
  done
  echo $$ >"$lock/pid"
  trap 'rm -rf "$lock"' EXIT INT TERM
  if ! installed; then
    say "installing the packages of package-lock.json"
    npm ci --no-audit --no-fund --loglevel=error >&2 || {
      say "the packages were not installed, npm says why above; it needs npm and, this once, the network"
      exit 1
    }
    touch node_modules/.package-lock.json
  fi
  rm -rf "$lock"
  trap - EXIT INT TERM
fi

[ "${1:-}" != client ] || exit 0

has_redis() { command -v redis-server >/dev/null 2>&1; }

install_redis() {
  # Debian's package would also start a system-wide Redis on 6379, which nobody asked for: a policy says no while it
  # is being installed.
  as_root='' && [ "$(id -u)" -eq 0 ] || as_root='sudo -n'
  policy=/usr/sbin/policy-rc.d
  made_policy=no
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null && $as_root chmod 755 "$policy" && made_policy=yes
  fi
  get="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0"
  $get install -y --no-install-recommends redis-server >/dev/null 2>&1 ||
    { $get update >/dev/null 2>&1 && $get install -y --no-install-recommends redis-server >/dev/null 2>&1; } || true
  [ "$made_policy" = no ] || $as_root rm -f "$policy"
}

if ! has_redis; then
  if command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" -eq 0 ] || sudo -n true 2>/dev/null; }; then
    say "installing redis-server with apt-get"
    install_redis
  fi
  if ! has_redis; then
    hint='install Redis so that redis-server is on the PATH'
    if command -v apt-get >/dev/null 2>&1; then hint='type: sudo apt-get install redis-server'
    elif command -v dnf >/dev/null 2>&1; then hint='type: sudo dnf install redis'
    elif command -v brew >/dev/null 2>&1; then hint='type: brew install redis'; fi
    say "redis-server is missing; $hint"
    exit 1
  fi
fi
