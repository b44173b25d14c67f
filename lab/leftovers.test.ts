import test from 'ava';
import { describeLeftovers, isClean, parseLabMounts, parseLabRoutes } from './leftovers.ts';

const none = { processes: [], networkNamespaces: [], mounts: [], cgroups: [], bpfPins: [], links: [], routes: [], files: [] };

test('mounts of the lab are told from those of others', (t) => {
  const mountinfo = `26 1 0:5 / /run/netns rw - tmpfs tmpfs rw
30 26 0:4 net:[402653] /run/netns/lb-wan rw - nsfs nsfs rw
31 26 0:4 net:[402654] /run/netns/other rw - nsfs nsfs rw
32 1 0:9 / /var/lib/landbridge-lab/nodes/x rw - tmpfs tmpfs rw
33 1 0:9 / /var/lib/landbridge-laboratory rw - tmpfs tmpfs rw
`;
  t.deepEqual(parseLabMounts(mountinfo), ['/run/netns/lb-wan', '/var/lib/landbridge-lab/nodes/x']);
});

test('routes to ranges of the lab are told from those of others', (t) => {
  const text = 'Iface\tDestination\tGateway\neth0\t00000000\t0100A8C0\neth0\t0000A8C0\t00000000\nbr\t00011FAC\t0\nbr\t0000650A\t0\nbr\t0000C90A\t0\nbr\t0000640A\t0\n';
  t.deepEqual(parseLabRoutes(text), ['172.31.1.0', '10.101.0.0', '10.201.0.0']);
});

test('anything in any list is a leftover with a line of its own', (t) => {
  t.true(isClean(none));
  const some = { ...none, processes: [{ pid: 7, command: 'etcd --data-dir' }], cgroups: ['/sys/fs/cgroup/landbridge-lab'] };
  t.false(isClean(some));
  t.deepEqual(describeLeftovers(some), ['processes: 7 etcd --data-dir', 'cgroups: /sys/fs/cgroup/landbridge-lab']);
});
