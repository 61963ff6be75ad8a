# Runs on the device as long as the session lasts (see guard.py); POSIX sh, busybox and Android too.
#
# arguments: folder to make a private one in; folder under which sys lies; words that run a command
# as root; seconds between two looks whether the host is alive (after six in vain it is taken for lost).
# Reads lines: "alive", "governor NAME", "run"; when they end, or a signal comes, it ends what it
# started, gives the governors back, and removes its folder.
# Says lines that begin with "@nanodet"; all others are the program's.
base=${1:-${TMPDIR:-/tmp}} cpus=$2/sys/devices/system/cpu raise=$3 pause=$4
export LC_ALL=C
umask 077
trap '' PIPE

say() { echo "@nanodet $*"; }

set_governor() { # FILE NAME; what the system says against it goes to $said
    said=$({ echo "$2" >"$1"; } 2>&1) && return
    $raise "echo $2 >'$1'" </dev/null >/dev/null 2>&1
}

set_governors() { # NAME
    for file in "$cpus"/cpu[0-9]*/cpufreq/scaling_governor; do
        [ -e "$file" ] && echo "$(cat "$file") $file"
    done >"$folder/governors"
    [ -s "$folder/governors" ] || { say governor absent; return; }
    while read -r old file; do
        known=$(cat "${file%/*}/scaling_available_governors" 2>/dev/null)
        case " ${known:-$1} " in
            *" $1 "*) ;;
            *) say governor unknown "$known"; return ;;
        esac
        set_governor "$file" "$1" || { say governor denied "${said##*: }: $file"; return; }
    done <"$folder/governors"
    say governor set
}

# all it needs lies in the folder: the watcher ends things too, should this shell be killed
finish() {
    trap '' HUP INT TERM
    trap - EXIT
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    if [ -s "$folder/group" ]; then
        group=$(cat "$folder/group")
        # without setsid there is no such group, only these two
        kill -KILL "-$group" 2>/dev/null ||
            kill -KILL "$group" "$(cat "$folder/program" 2>/dev/null)" 2>/dev/null
    fi
    if [ -s "$folder/governors" ]; then
        while read -r old file; do
            [ "$(cat "$file")" = "$old" ] || set_governor "$file" "$old" || say governor left "$file"
        done <"$folder/governors"
    fi
    cd / || return
    # once more, should a copy that was under way have made a file meanwhile
    rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
    echo # whatever the program had begun to say ends here
    if [ -e "$folder" ]; then say left; else say gone; fi
}

watch() {
    exec </dev/null >/dev/null 2>&1 # the session ends only when nobody holds its output
    trap - EXIT TERM
    trap '' HUP INT
    silent=0
    while sleep "$pause"; do
        kill -0 $$ || break
        silent=$((silent + 1))
        [ -e "$folder/alive" ] && silent=0 && rm -f "$folder/alive"
        [ "$silent" -lt 6 ] || kill -TERM $$
        [ "$silent" -lt 8 ] || break
    done
    finish
}

folder=$(mktemp -d "$base/nanodet-XXXXXX" 2>&1) && folder=$(cd "$folder" && pwd) ||
    { say refused "$folder"; exit 1; }
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
watch &
watcher=$!
echo # whatever the login shell has printed ends here
say folder "$folder"
say machine "$(uname -m)"
say free "$(df -P -k "$folder" 2>/dev/null | tail -n 1)"
# an empty file is a program that does nothing, unless nothing may run here
: >"$folder/empty" && chmod 700 "$folder/empty" && "$folder/empty" 2>/dev/null || say noexec
say ready
while read -r word name; do
    case $word in
        alive) : >"$folder/alive" ;;
        governor) set_governors "$name" ;;
        run)
            $(command -v setsid) sh "$folder/run" </dev/null &
            echo $! >"$folder/group"
            ;;
    esac
done
