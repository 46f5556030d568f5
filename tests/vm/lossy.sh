#!/bin/sh
# The classic protocols over a bad link: lossy.sh LANDLINE TC, in the virtual machine, whose kernel has netem.
set -eu
landline=$1 tc=$2
"$tc" qdisc add dev lo root netem delay 10ms 5ms loss 3% duplicate 1% reorder 5%

# Runs it; what fails, or stands still, ends the test with what can be seen of it.
limited() {
    timeout 100 "$@" || {
        echo "$*: status $?, $(cut -d' ' -f1 /proc/uptime) s after the start" >&2
        { ps; cat /proc/net/tcp; "$tc" -s qdisc show dev lo; cat /tmp/*.log; } >&2
        return 1
    }
}

# The port of the server whose messages are in the file, once it is there.
port() {
    limited sh -c "until grep -s 'listening on' '$1'; do usleep 10000; done" | sed -n 's/.*listening on [0-9.]*://p'
}

for protocol in upper exec file ssh; do
    "$landline" classic serve $protocol --listen 127.0.0.1:0 2>/tmp/$protocol.log &
done

head -c 1000003 /dev/urandom | tr 0-9 a-j >/tmp/file
limited "$landline" classic get 127.0.0.1:"$(port /tmp/file.log)" /tmp/file /tmp/got
cmp /tmp/file /tmp/got

for i in 1 2 3 4 5; do echo "hello $i"; done | limited "$landline" classic upper 127.0.0.1:"$(port /tmp/upper.log)" >/tmp/upper
for i in 1 2 3 4 5; do echo "HELLO $i"; done | cmp - /tmp/upper

echo 'seq 1 20000' | limited "$landline" classic ssh 127.0.0.1:"$(port /tmp/ssh.log)" >/tmp/ssh
{ echo 'length: 108894'; seq 1 20000; } | cmp - /tmp/ssh

# Without a length only a silence tells the end; a lost segment is sent again sooner than that.
printf 'echo one; echo two\necho three\n' | limited "$landline" classic exec 127.0.0.1:"$(port /tmp/exec.log)" >/tmp/exec
printf 'one\ntwo\nthree\n' | cmp - /tmp/exec

"$tc" -s qdisc show dev lo | grep -q 'dropped [1-9]' || { echo "nothing was lost: the test has shown nothing"; exit 1; }
echo "all came whole"
