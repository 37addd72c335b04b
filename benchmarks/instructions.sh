#!/usr/bin/env bash
# Counts the instructions of a training image and of an evaluation (preset tiny, one thread) under callgrind, and
# fails where they exceed benchmarks/instructions.txt by more than 3 %. Counts repeat where times don't.
#
# Callgrind knows no AVX-512, so this is a build of its own, for x86-64-v3 (AVX2 and FMA).
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null && ! { [ "$(id -u)" = 0 ] && apt-get install -y -qq valgrind >/dev/null; }; then
  echo "instructions.sh needs valgrind: apt-get install valgrind" >&2
  exit 69
fi
if [ "$(uname -m)" != x86_64 ]; then
  echo "instructions.sh: the thresholds are for x86_64" >&2
  exit 69
fi
export INKFLOW_MARCH=x86-64-v3
swift build -c release --product inkflow --scratch-path .build-v3 >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Valgrind can't read the debug information that the compiler writes.
strip -o "$work/inkflow" .build-v3/release/inkflow

# Instructions of `runs` runs of a task, with all that comes before.
count() {
  valgrind --tool=callgrind --callgrind-out-file="$work/out" "$work/inkflow" bench \
    --only "$1" --preset tiny --batch 8 --threads 1 --runs "$2" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  awk '/^(summary|totals):/ { print $2; exit }' "$work/out"
}

status=0
while read -r task limit; do
  few=$(count "$task" 1)
  more=$(count "$task" 3)
  each=$(((more - few) / 16)) # two runs of eight images
  echo "$task: $each instructions an image, threshold $limit"
  if [ "$each" -gt $((limit * 103 / 100)) ]; then
    echo "$task takes more instructions than benchmarks/instructions.txt allows: find out why, or raise it and say why" >&2
    status=1
  fi
  if [ "$each" -lt $((limit * 97 / 100)) ]; then
    echo "$task has become cheaper: lower its threshold in benchmarks/instructions.txt"
  fi
done < <(grep -v '^#' benchmarks/instructions.txt)
exit $status
