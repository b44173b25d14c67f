import type { Hierarchy } from './cgroups.ts';
import { NODE_HOME, NODE_TOOLS } from './kubernetes-config.ts';
import type { NodePlan } from './plan.ts';

/**
 * Settings of the whole machine that the kubelet would write at its start. Files with the values it wants are
 * mounted over them, so that it finds them right and writes nothing.
 */
const KUBELET_SYSCTLS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
};

/**
 * The shell script that becomes PID 1 of a node: it mounts what a node of its own needs, hides what the machine has,
 * and turns into `pause`. Arguments: the node's directory and the directory of tools, both on the machine.
 */
export function bootScript(node: NodePlan, hierarchies: readonly Hierarchy[], pause: string): string {
  return `set -eu
mount --make-rshared /
hostname ${node.name}
mount -t sysfs sysfs /sys
mount -t bpf bpf /sys/fs/bpf
${cgroupMounts(hierarchies)}
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p ${NODE_HOME} ${NODE_TOOLS} /run/containerd /run/netns /run/lock /run/overlay
mount --bind "$1" ${NODE_HOME}
mount --bind "$2" ${NODE_TOOLS}
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount --bind ${NODE_HOME}/lib /var/lib
mount --bind ${NODE_HOME}/varlog /var/log
mkdir -p /var/lib/kubelet /var/lib/containerd /var/lib/etcd /var/lib/cni
for d in etc opt; do
  mkdir -p /run/overlay/$d/upper /run/overlay/$d/work
  mount -t overlay overlay -o lowerdir=/$d,upperdir=/run/overlay/$d/upper,workdir=/run/overlay/$d/work /$d
done
mkdir -p /etc/cni/net.d /opt/cni/bin
cp ${NODE_HOME}/etc/cni.conflist /etc/cni/net.d/10-lab.conflist
rm -f /etc/resolv.conf
cp ${NODE_HOME}/etc/resolv.conf ${NODE_HOME}/etc/hosts /etc/
ln -sf /usr/lib/cni/* /opt/cni/bin/
mkdir /run/sysctls
${Object.entries(KUBELET_SYSCTLS).map(([key, value]) => `echo ${value} > /run/sysctls/${key.replaceAll('/', '.')}; mount --bind /run/sysctls/${key.replaceAll('/', '.')} /proc/sys/${key}`).join('\n')}
: > ${NODE_HOME}/booted
exec ${pause}
`;
}

/** Where a node has cgroup2. */
export function cgroup2InNode(hierarchies: readonly Hierarchy[]): string {
  return hierarchies.every((hierarchy) => hierarchy.version === 2) ? '/sys/fs/cgroup' : '/sys/fs/cgroup/unified';
}

function cgroupMounts(hierarchies: readonly Hierarchy[]): string {
  if (hierarchies.every((hierarchy) => hierarchy.version === 2)) return `mount -t cgroup2 cgroup2 ${cgroup2InNode(hierarchies)}`;
  const lines = ['mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup'];
  for (const { version, controllers } of hierarchies) {
    const directory = version === 2 ? cgroup2InNode(hierarchies) : `/sys/fs/cgroup/${controllers.replace(/^name=/, '')}`;
    const options = controllers.startsWith('name=') ? `none,${controllers}` : controllers;
    lines.push(`mkdir ${directory}`, version === 2 ? `mount -t cgroup2 cgroup2 ${directory}` : `mount -t cgroup -o ${options} cgroup ${directory}`);
    if (controllers.includes(',')) lines.push(...controllers.split(',').map((name) => `ln -s ${controllers} /sys/fs/cgroup/${name}`));
  }
  return lines.join('\n');
}
