import type { V1Namespace, V1Pod } from '@kubernetes/client-node';
import test from 'ava';
import { localPod, wantsCapture } from './enrolment.ts';
import type { LocalPod } from './local-pod.ts';
import { parsePodUid } from './network-namespaces.ts';
import { parseNamespace, parsePod } from './pod-facts.ts';

const ambient = { 'landbridge.dev/dataplane-mode': 'ambient' };
const uid = '0f0f0f0f-1111-2222-3333-444444444444';
const namespace = (labels: Record<string, string>): V1Namespace => ({ metadata: { name: 'demo', labels } });
const pod = (over: { labels?: Record<string, string>; spec?: object; status?: object } = {}): V1Pod =>
  ({ metadata: { name: 'a', namespace: 'demo', uid, labels: over.labels ?? {} }, spec: { containers: [], serviceAccountName: 'sa', ...over.spec }, status: { phase: 'Running', podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }], ...over.status } }) as V1Pod;

function enrolled(pod: V1Pod, namespace: V1Namespace | undefined): LocalPod | undefined {
  const facts = parsePod(pod);
  if (!facts.ok) throw new Error(facts.error);
  const namespaceFacts = parseNamespace(namespace);
  return localPod(facts.value, namespaceFacts.ok ? namespaceFacts.value : undefined);
}

test('labels decide: the pod’s own before the namespace’s, ours before Istio’s', (t) => {
  t.false(wantsCapture(undefined, undefined));
  t.true(wantsCapture({}, ambient));
  t.true(wantsCapture(ambient, {}));
  t.true(wantsCapture({}, { 'istio.io/dataplane-mode': 'ambient' }));
  t.false(wantsCapture({ 'istio.io/dataplane-mode': 'none' }, ambient));
  t.false(wantsCapture({ ...ambient, 'landbridge.dev/dataplane-mode': 'none' }, ambient));
  t.true(wantsCapture({ ...ambient, 'istio.io/dataplane-mode': 'none' }, {}));
});

test('a running pod with an IPv4 address is captured', (t) => {
  t.like(enrolled(pod(), namespace(ambient)), { uid, name: 'a', namespace: 'demo', address: '10.0.0.1', serviceAccount: 'sa', announced: false });
});

test('pods in the host’s network, ended ones and those without an address are not', (t) => {
  t.is(enrolled(pod({ spec: { hostNetwork: true } }), namespace(ambient)), undefined);
  t.is(enrolled(pod({ status: { phase: 'Succeeded' } }), namespace(ambient)), undefined);
  t.is(enrolled(pod({ status: { podIPs: [] } }), namespace(ambient)), undefined);
  t.is(enrolled(pod(), namespace({})), undefined);
  t.is(enrolled(pod(), undefined), undefined);
});

for (const [what, text] of [
  ['cgroupfs', `0::/kubepods/besteffort/pod${uid}/abc`],
  ['cgroupfs on hybrid hierarchies', `4:memory:/kubepods/burstable/pod${uid}/abc\n0::/`],
  ['systemd', `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-abc.scope`],
  ['a view from inside a cgroup namespace', `0::/../../pod${uid}/abc`],
] as const) test(`the pod of a process is read from its cgroup: ${what}`, (t) => t.is(parsePodUid(text), uid));

test('other cgroups are of no pod', (t) => {
  for (const text of ['', '0::/', '0::/system.slice/ssh.service', '0::/kubepods/besteffort/podnonsense/abc', `0::/xpod${uid}`]) t.is(parsePodUid(text), undefined, text);
});
