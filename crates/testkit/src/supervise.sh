# Runs one server for one test process and ends it when the test process is gone.
#   sh supervise.sh DIR SIGNAL PROGRAM ARGUMENTS...
# Standard input is a pipe whose other end only the test process holds: end of file there means that it has
# ended, however it did. A line there, sent once the server is down, starts it again.
# DIR/pid, DIR/exit and DIR/log tell how the server is; DIR is removed at the end.
dir=$1
signal=$2
shift 2
# A test may limit how large files grow: that is to be an error of a write, as on a full disk, and not a signal.
trap '' XFSZ
exec 3<&0 </dev/null
while :; do
    "$@" 3<&- >>"$dir/log" 2>&1 &
    server=$!
    echo "$server" >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
    { read -r _ <&3; kill -s "$signal" "$server"; kill -s CONT "$server"; } &
    watchdog=$!
    wait "$server"
    code=$?
    kill "$watchdog"
    wait "$watchdog"
    echo "$code" >"$dir/exit.new" && mv "$dir/exit.new" "$dir/exit"
    read -r _ <&3 || break
done
rm -rf "$dir"
