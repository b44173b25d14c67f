# The first process of the guest: makes what a system has, runs the kernel tests, and switches the machine off.
# run.ts puts the values of OUTPUT, REPOSITORY, STATE, FILES and END before it, and what the tests have of their environment.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb NO_COLOR=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
# Layers of containers can not lie on the root, which is made of layers itself.
mkdir -p "$STATE"
mount -t tmpfs tmpfs "$STATE"
ip link set lo up
stty -F "$OUTPUT" raw
exec > "$OUTPUT" 2>&1 < /dev/null
cd "$REPOSITORY"
# shellcheck disable=SC2086 # Patterns, one for each word.
node_modules/.bin/node test/kernels/guest.ts $FILES
echo "$END $?"
# What is written to a terminal is with its reader before the settings of it change (stty -F waits for output).
stty -F "$OUTPUT" -raw
# What programs say while their machine goes away is nobody's line.
exec > /dev/null 2>&1
echo o > /proc/sysrq-trigger
while :; do sleep 1; done
