import type { V1Namespace, V1Pod } from '@kubernetes/client-node';
import test from 'ava';
import { localPod, nodePod, wantsCapture } from './enrolment.ts';
import type { LocalPod, NodePod } from './local-pod.ts';
import { parsePodUid } from './network-namespaces.ts';
import { parseNamespace, parsePod } from './pod-facts.ts';

const ambient = { 'landbridge.dev/dataplane-mode': 'ambient' };
const uid = '0f0f0f0f-1111-2222-3333-444444444444';
const namespace = (labels: Record<string, string>): V1Namespace => ({ metadata: { name: 'demo', labels } });
const pod = (over: { labels?: Record<string, string>; annotations?: Record<string, string>; spec?: object; status?: object } = {}): V1Pod =>
  ({ metadata: { name: 'a', namespace: 'demo', uid, labels: over.labels ?? {}, annotations: over.annotations ?? {} }, spec: { containers: [], serviceAccountName: 'sa', ...over.spec }, status: { phase: 'Running', podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }], ...over.status } }) as V1Pod;

function known(pod: V1Pod, namespace: V1Namespace | undefined): NodePod | undefined {
  const facts = parsePod(pod);
  if (!facts.ok) throw new Error(facts.error);
  const namespaceFacts = parseNamespace(namespace);
  return nodePod(facts.value, namespaceFacts.ok ? namespaceFacts.value : undefined);
}

function enrolled(pod: V1Pod, namespace: V1Namespace | undefined): LocalPod | undefined {
  const node = known(pod, namespace);
  return node === undefined ? undefined : localPod(node);
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

test('a running pod with an address is captured', (t) => {
  t.like(enrolled(pod(), namespace(ambient)), { uid, name: 'a', namespace: 'demo', addresses: ['fd00::1', '10.0.0.1'], serviceAccount: 'sa', announced: false });
});

test('pods in the host’s network, ended ones and those without an address are not', (t) => {
  t.is(enrolled(pod({ spec: { hostNetwork: true } }), namespace(ambient)), undefined);
  t.is(enrolled(pod({ status: { phase: 'Succeeded' } }), namespace(ambient)), undefined);
  t.is(enrolled(pod({ status: { podIPs: [] } }), namespace(ambient)), undefined);
  t.is(enrolled(pod(), namespace({})), undefined);
});

test('a new sandbox has an address before the pod’s status has one', (t) => {
  const early = known(pod({ status: { phase: 'Pending', podIPs: [] } }), namespace(ambient));
  t.like(early, { uid, isInMesh: true, addresses: [] });
  if (early !== undefined) t.like(localPod(early, ['10.0.0.7']), { uid, addresses: ['10.0.0.7'] });
});

test('a pod of a file of the kubelet’s is known by the uid that the runtime has, which its mirror tells', (t) => {
  const mirror = (value: string): NodePod | undefined => known(pod({ annotations: { 'kubernetes.io/config.mirror': value } }), namespace(ambient));
  t.like(mirror('0123456789abcdef0123456789abcdef'), { uid: '0123456789abcdef0123456789abcdef', mirrorUid: uid, isInMesh: true });
  const refused = mirror('../../etc');
  t.like(refused, { uid });
  t.false(refused !== undefined && 'mirrorUid' in refused);
});

test('nobody knows of a pod without its namespace whether it is to be captured', (t) => {
  t.is(known(pod(), undefined), undefined);
  t.is(known(pod({ labels: ambient }), undefined), undefined);
  t.like(known(pod(), namespace({})), { uid, isInMesh: false });
});

for (const [what, text] of [
  ['cgroupfs', `0::/kubepods/besteffort/pod${uid}/abc`],
  ['cgroupfs on hybrid hierarchies', `4:memory:/kubepods/burstable/pod${uid}/abc\n0::/`],
  ['systemd', `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${uid.replaceAll('-', '_')}.slice/cri-containerd-abc.scope`],
  ['a view from inside a cgroup namespace', `0::/../../pod${uid}/abc`],
] as const) test(`the pod of a process is read from its cgroup: ${what}`, (t) => t.is(parsePodUid(text), uid));

test('a pod of a file of the kubelet’s has a sum for its uid', (t) => {
  const sum = '0123456789abcdef0123456789abcdef';
  for (const text of [`0::/kubepods/besteffort/pod${sum}/abc`, `0::/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod${sum}.slice/cri-containerd-abc.scope`]) t.is(parsePodUid(text), sum);
});

test('other cgroups are of no pod', (t) => {
  for (const text of ['', '0::/', '0::/system.slice/ssh.service', '0::/kubepods/besteffort/podnonsense/abc', `0::/xpod${uid}`, `0::/machine.slice/libpod-${'ab'.repeat(32)}.scope`, `0::/pod${'ab'.repeat(32)}`]) t.is(parsePodUid(text), undefined, text);
});

test('an annotation decides about queries for names, ours before Istio\u2019s; others say nothing', (t) => {
  const said = (annotations: Record<string, string>): boolean | undefined => enrolled(pod({ annotations }), namespace(ambient))?.capturesDns;
  t.is(said({}), undefined);
  t.is(said({ 'ambient.istio.io/dns-capture': 'false' }), false);
  t.is(said({ 'ambient.istio.io/dns-capture': 'false', 'landbridge.dev/dns-capture': 'true' }), true);
  t.is(said({ 'ambient.istio.io/dns-capture': 'false', 'landbridge.dev/dns-capture': 'no' }), false);
  t.is(said({ 'landbridge.dev/dns-capture': 'off' }), undefined);
});
