# shellcheck shell=bash
# stages.sh - shared by the scripts in tools/ and .ci/run: says what is done, and how long it took.
#
# Source it from bash. It defines
#   say TEXT...               a line for the person who watches
#   die TEXT...               one clear sentence on stderr, then exit 1
#   stage NAME COMMAND...     runs the command; its output is shown only if it fails. Counts one passed or one failed
#   stage_shown NAME COMMAND  the same, and its output is always shown
#   stage_junit NAME FILE COMMAND   the command writes a JUnit file: its tests are counted, one by one
#   beside NAME COMMAND...    starts the command beside what follows; `joined NAME`, as the command of a later stage,
#                             waits for it, shows its output and has its exit code
#   closing_line              prints "N passed, N failed"; its result is the result of all

passed=0
failed=0
skipped=0
failures=()
declare -A beside_pids=()
logs=$(mktemp -d "${TMPDIR:-/tmp}/nmesh-stages.XXXXXX")
trap 'rm -rf "$logs"' EXIT

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

s_took() { awk -v from="$1" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f s", to - from }'; }

s_ended() {
    if [ "$2" -eq 0 ]; then
        say "   ok: $1 ($3)"
    else
        say "   FAILED: $1, exit code $2 ($3)"
        failures+=("$1")
    fi
    return "$2"
}

s_count_stage() {
    if [ "$1" -eq 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

stage() {
    local name=$1 code=0 from log
    shift
    from=$(date +%s.%N)
    log=$logs/stage
    say "-- $name"
    "$@" >"$log" 2>&1 </dev/null || code=$?
    [ "$code" -eq 0 ] || tail -n 200 "$log"
    s_count_stage "$code"
    s_ended "$name" "$code" "$(s_took "$from")"
}

stage_shown() {
    local name=$1 code=0 from
    shift
    from=$(date +%s.%N)
    say "-- $name"
    "$@" </dev/null || code=$?
    s_count_stage "$code"
    s_ended "$name" "$code" "$(s_took "$from")"
}

# For what mostly waits, or for a core that would be idle.
beside() {
    local name=$1
    shift
    "$@" >"$logs/beside-$name" 2>&1 </dev/null &
    beside_pids[$name]=$!
}

joined() {
    local code=0
    wait "${beside_pids[$1]}" || code=$?
    cat "$logs/beside-$1"
    return "$code"
}

# A runner that writes a JUnit file: its tests are counted, not the runner.
stage_junit() {
    local name=$1 file=$2 code=0 from counts
    shift 2
    from=$(date +%s.%N)
    [ "$1" = joined ] || rm -f "$file"
    say "-- $name"
    "$@" </dev/null || code=$?
    counts=$(/usr/bin/python3 - "$file" <<'PY'
import sys, xml.etree.ElementTree as tree
try:
    suites = [s for s in tree.parse(sys.argv[1]).getroot().iter("testsuite")]
except (OSError, tree.ParseError):
    suites = []
number = lambda suite, key: int(suite.get(key) or 0)
total = sum(number(s, "tests") for s in suites)
bad = sum(number(s, "failures") + number(s, "errors") for s in suites)
out = sum(number(s, "skipped") + number(s, "disabled") for s in suites)
print(total - bad - out, bad, out)
PY
    )
    read -r good bad out <<<"${counts:-0 0 0}"
    passed=$((passed + good))
    failed=$((failed + bad))
    skipped=$((skipped + out))
    # A runner that fails without a failed test (it could not start, it ran nothing) is a failure of its own.
    if [ "$code" -ne 0 ] && [ "$bad" -eq 0 ]; then failed=$((failed + 1)); fi
    s_ended "$name: $good passed, $bad failed, $out skipped" "$code" "$(s_took "$from")"
}

closing_line() {
    local name
    for name in "${failures[@]}"; do say "failed: $name"; done
    if [ "$skipped" -gt 0 ]; then
        say "$passed passed, $failed failed, $skipped skipped"
    else
        say "$passed passed, $failed failed"
    fi
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
