import test from 'ava';
import { labGroup, parseHierarchies } from './cgroups.ts';

const HYBRID = `25 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 25 0:26 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime shared:4 - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,release_agent=/lib/systemd/systemd-cgroups-agent,name=systemd
34 30 0:30 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw,nsdelegate
35 30 0:30 /docker/x /mnt/inner rw,relatime - cgroup2 cgroup2 rw
`;

test('a hybrid machine has one hierarchy for each controller and one of version 2', (t) => {
  t.deepEqual(parseHierarchies(HYBRID), [
    { version: 1, mountpoint: '/sys/fs/cgroup/cpu,cpuacct', controllers: 'cpu,cpuacct' },
    { version: 1, mountpoint: '/sys/fs/cgroup/memory', controllers: 'memory' },
    { version: 1, mountpoint: '/sys/fs/cgroup/systemd', controllers: 'name=systemd' },
    { version: 2, mountpoint: '/sys/fs/cgroup/unified', controllers: '' },
  ]);
});

test('a pure machine has the version 2 hierarchy', (t) => {
  const line = '30 25 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n';
  t.deepEqual(parseHierarchies(line), [{ version: 2, mountpoint: '/sys/fs/cgroup', controllers: '' }]);
});

test('the lab lies beside the group of the caller in version 1 and at the root in version 2', (t) => {
  const self = '5:memory:/sessions/abc\n2:cpu,cpuacct:/\n0::/user.slice\n';
  const [cpu, memory, , unified] = parseHierarchies(HYBRID);
  t.is(labGroup(cpu!, self), '/sys/fs/cgroup/cpu,cpuacct/landbridge-lab');
  t.is(labGroup(memory!, self), '/sys/fs/cgroup/memory/sessions/landbridge-lab');
  t.is(labGroup(unified!, self), '/sys/fs/cgroup/unified/landbridge-lab');
});

test('a caller inside the lab names the same group', (t) => {
  const [, memory] = parseHierarchies(HYBRID);
  t.is(labGroup(memory!, '5:memory:/sessions/landbridge-lab/lb-east\n'), '/sys/fs/cgroup/memory/sessions/landbridge-lab');
});
