#!/bin/sh
# Makes sure that the headers of zlib and libpng are there. Installs them with apt where that is allowed,
# else prints the command that does and fails.
set -eu

has() { printf '#include <%s>\n' "$1" | "${CC:-cc}" -E -x c - >/dev/null 2>&1 || [ -f "/usr/include/$1" ]; }

missing=
has zlib.h || missing="$missing zlib1g-dev"
has png.h || missing="$missing libpng-dev"
[ -z "$missing" ] && exit 0

command="apt-get update && apt-get install -y$missing"
if command -v apt-get >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ]; then
    echo "installing$missing" >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y $missing; } >&2
    exit 0
  fi
  echo "error: missing$missing; install with: sudo sh -c '$command'" >&2
else
  echo "error: missing the headers of:$missing (zlib and libpng); install them with your system's packages" >&2
fi
exit 1
