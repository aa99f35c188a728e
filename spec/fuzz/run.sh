#!/bin/sh
# usage: run.sh TARGET SECONDS   - fuzzes with one libFuzzer program
#
# Starts from what earlier runs kept (build/fuzz/corpus), from committed seeds
# (spec/fuzz/seeds/NAME) and, where it is there, from the fixture corpus. A
# finding is kept in build/fuzz/findings, and makes the exit code 1.
set -u
target=$1 seconds=$2
name=$(basename "$target")
corpus=build/fuzz/corpus/$name findings=build/fuzz/findings log=$target.log
mkdir -p "$corpus" "$findings"
set -- "$corpus"
for seeds in "spec/fuzz/seeds/$name" ../shared/corpus/messages; do
  [ ! -d "$seeds" ] || set -- "$@" "$seeds"
done
if "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
  -max_len=4096 -artifact_prefix="$findings/$name-" "$@" >"$log" 2>&1; then
  runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")
  cover=$(sed -n 's/.*cov: \([0-9]*\).*/\1/p' "$log" | tail -1)
  printf '%-20s %5s s  %10s runs  %6s edges  no finding\n' \
    "$name" "$seconds" "$runs" "$cover"
else
  grep -E -A 30 'ERROR|runtime error|SUMMARY|Test unit' "$log" | head -60
  echo "$name: FOUND something, see $findings and $log"
  exit 1
fi
