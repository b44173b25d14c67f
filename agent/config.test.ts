import test from 'ava';
import { findCgroup2, readEnvironment } from './config.ts';

const complete = { XDS_ADDRESS: 'https://a:1', CA_ADDRESS: 'https://a:1', XDS_ROOT_CA: '/r', CA_ROOT_CA: '/r', CLUSTER_ID: 'east', TRUST_DOMAIN: 'east.example', NODE_NAME: 'n', POD_NAME: 'p', POD_NAMESPACE: 'ns' };

test('defaults fill what may be left out', (t) => {
  t.like(readEnvironment({ ...complete, UNRELATED: 'x' }), { NETWORK: '', LOG_LEVEL: 'info', BPF_ROOT: '/sys/fs/bpf', WORKERS: 0, SAME_NODE: 'relay', PLAIN_TRAFFIC: 'kernel', ISTIO_META_DNS_CAPTURE: 'true', XDS_ON_DEMAND: 'false', ACCESS_LOG: 'all' });
  t.like(readEnvironment({ ...complete, WORKERS: '3', SAME_NODE: 'tls' }), { WORKERS: 3, SAME_NODE: 'tls' });
});

test('what is missing or wrong is named', (t) => {
  const { CLUSTER_ID: _, ...rest } = complete;
  t.throws(() => readEnvironment(rest), { message: /CLUSTER_ID/ });
  t.throws(() => readEnvironment({ ...complete, XDS_ADDRESS: 'http://a' }), { message: /XDS_ADDRESS/ });
  for (const WORKERS of ['-1', '65', '1.5', 'many']) t.throws(() => readEnvironment({ ...complete, WORKERS }), { message: /WORKERS/ }, WORKERS);
  for (const name of ['SAME_NODE', 'PLAIN_TRAFFIC', 'GATE', 'POD_SOURCE', 'ISTIO_META_DNS_CAPTURE', 'XDS_ON_DEMAND']) t.throws(() => readEnvironment({ ...complete, [name]: 'plain' }), { message: new RegExp(name) });
});

test('the control group of the kubelet is a path below the root', (t) => {
  for (const KUBELET_CGROUP of ['', '/system.slice/kubelet.service', '/podruntime/kubelet']) t.is(readEnvironment({ ...complete, KUBELET_CGROUP }).KUBELET_CGROUP, KUBELET_CGROUP);
  for (const KUBELET_CGROUP of ['/', 'kubelet.service', '/a/../b', '/..', '/a//b', '/a b']) t.throws(() => readEnvironment({ ...complete, KUBELET_CGROUP }), { message: /KUBELET_CGROUP/ }, KUBELET_CGROUP);
});

test('cgroup2 is found alone and beside version 1', (t) => {
  t.is(findCgroup2('30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n'), '/sys/fs/cgroup');
  t.is(findCgroup2('30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n'), '/sys/fs/cgroup/unified');
  t.throws(() => findCgroup2('30 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n'), { code: 'no-cgroup2' });
});
