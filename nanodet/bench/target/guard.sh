# Runs on the device as long as the session lasts (see guard.py); POSIX sh, busybox and Android too.
#
# arguments: folder to make a private one in; folder under which sys lies; words that run a command
# as root; seconds between two looks whether the host is alive (after six in vain it is taken for lost).
# Reads lines: "alive", "governor NAME", "read PATTERN..."; when they end, or a signal comes, it ends
# what runs a program of its folder or in it, gives the governors back, and removes the folder.
base=${1:-${TMPDIR:-/tmp}} cpus=$2/sys/devices/system/cpu raise=$3 pause=$4
export LC_ALL=C
umask 077
trap '' PIPE

set_governor() { # FILE NAME; what the system says against it goes to $said
    said=$({ echo "$2" >"$1"; } 2>&1) && return
    $raise "echo $2 >'$1'" </dev/null >/dev/null 2>&1
}

set_governors() { # NAME
    for file in "$cpus"/cpu[0-9]*/cpufreq/scaling_governor; do
        [ -e "$file" ] && echo "$(cat "$file") $file"
    done >"$folder/governors"
    [ -s "$folder/governors" ] || { echo governor absent; return; }
    while read -r old file; do
        known=$(cat "${file%/*}/scaling_available_governors" 2>/dev/null)
        case " ${known:-$1} " in
            *" $1 "*) ;;
            *) echo governor unknown "$known"; return ;;
        esac
        set_governor "$file" "$1" || { echo governor denied "${said##*: }: $file"; return; }
    done <"$folder/governors"
    echo governor set
}

tell() { # of $file, without a process for each line or file: a phone has hundreds
    while IFS= read -r line || [ -n "$line" ]; do echo is "$file" "$line"; done
}

# all it needs lies in the folder: the watcher ends things too, should this shell be killed
finish() {
    trap '' HUP INT TERM
    trap - EXIT
    [ -z "$watcher" ] || kill "$watcher" 2>/dev/null
    # the folder they started in tells too: what runs a script, or another machine's code, lies elsewhere
    ls -l /proc/[0-9]*/exe /proc/[0-9]*/cwd 2>/dev/null | while read -r line; do
        case $line/ in *" -> $folder/"*) line=${line#*/proc/}; kill -KILL "${line%%/*}" ;; esac
    done
    if [ -s "$folder/governors" ]; then
        while read -r old file; do
            [ "$(cat "$file")" = "$old" ] || set_governor "$file" "$old" || echo governor left "$file"
        done <"$folder/governors"
    fi
    cd / || return
    # once more, should a copy that was under way have made a file meanwhile
    rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }
    if [ -e "$folder" ]; then echo left; else echo gone; fi
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
    { echo refused "$folder"; exit 1; }
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
watch &
watcher=$!
echo folder "$folder"
echo machine "$(uname -m)"
echo system "$(uname -s) $(uname -r)"
echo free "$(df -P -k "$folder" 2>/dev/null | tail -n 1)"
# an empty file is a program that does nothing, unless nothing may run here
: >"$folder/empty" && chmod 700 "$folder/empty" && "$folder/empty" 2>/dev/null || echo noexec
cd "${2:-/}"
echo ready
while read -r word rest; do
    case $word in
        alive) : >"$folder/alive" ;;
        governor) set_governors "$rest" ;;
        read)
            for file in $rest; do
                [ -f "$file" ] && [ -r "$file" ] || continue
                case $file in
                    */devicetree/*) tr '\0' '\n' <"$file" | tell ;;
                    *) tell <"$file" ;;
                esac
            done 2>/dev/null
            echo read
            ;;
    esac
done
