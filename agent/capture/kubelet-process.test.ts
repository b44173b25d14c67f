import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { findKubelet, isKubelet, kubeletOfGroup, type NodeView, parseGroup } from './kubelet-process.ts';

interface FakeProcess {
  readonly exe?: string;
  readonly cmdline?: string;
  readonly uid?: string;
  readonly group?: string;
  readonly namespaces?: Readonly<Record<string, string>>;
}

const GROUP = '/system.slice/kubelet.service';
const NAMESPACES = { pid: 'pid:[1]', mnt: 'mnt:[1]', net: 'net:[1]' };
const KUBELET: FakeProcess = { exe: '/usr/bin/kubelet', group: GROUP };

/** The node's /proc and cgroup2, as directories. */
function fakeNode(t: ExecutionContext, processes: Readonly<Record<string, FakeProcess>>): NodeView {
  const root = mkdtempSync(path.join(tmpdir(), 'landbridge-proc-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  const [proc, cgroupRoot] = [path.join(root, 'proc'), path.join(root, 'cgroup')];
  for (const [pid, { exe, cmdline = '', uid = '0', group = '/init.scope', namespaces = {} }] of Object.entries<FakeProcess>({ 1: {}, self: {}, ...processes })) {
    const directory = path.join(proc, pid);
    mkdirSync(path.join(directory, 'ns'), { recursive: true });
    for (const [name, text] of Object.entries({ ...NAMESPACES, ...namespaces })) symlinkSync(text, path.join(directory, 'ns', name));
    if (exe !== undefined) symlinkSync(exe, path.join(directory, 'exe'));
    writeFileSync(path.join(directory, 'cmdline'), cmdline);
    writeFileSync(path.join(directory, 'status'), `Name:\tx\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nGid:\t0\t0\t0\t0\n`);
    writeFileSync(path.join(directory, 'cgroup'), `12:cpu:/elsewhere\n0::${group}\n`);
    mkdirSync(path.join(cgroupRoot, group), { recursive: true });
    writeFileSync(path.join(cgroupRoot, group, 'cgroup.procs'), `${pid}\n`, { flag: 'a' });
  }
  return { proc, cgroupRoot, asNode: (work) => work() };
}

test('kubelets are known by their programs', (t) => {
  for (const [executable, commandLine] of [
    ['/usr/bin/kubelet', '/usr/bin/kubelet\0--config=/x\0'],
    ['/usr/bin/kubelet (deleted)', ''],
    ['/snap/microk8s/1/kubelite', 'kubelite\0'],
    ['/var/lib/rancher/k3s/data/0a/bin/k3s', '/usr/local/bin/k3s server\0'],
    ['/var/lib/rancher/k3s/data/0a/bin/k3s', '/usr/local/bin/k3s\0agent\0--token\0x\0'],
    ['/var/lib/rancher/k3s/data/0a/bin/k3s', 'k3s-server\0'],
  ] as const) t.true(isKubelet(executable, commandLine), executable);
  for (const [executable, commandLine] of [
    ['/usr/bin/kubectl', 'kubelet\0'],
    ['/usr/bin/not-a-kubelet', ''],
    ['/var/lib/rancher/k3s/data/0a/bin/k3s', 'kubectl\0get\0pods\0'],
    ['/var/lib/rancher/k3s/data/0a/bin/k3s', ''],
    ['', ''],
  ] as const) t.false(isKubelet(executable, commandLine), executable);
});

test('the group of cgroup2 is read, where it is below the root', (t) => {
  t.is(parseGroup('12:cpu:/a\n0::/system.slice/kubelet.service\n'), '/system.slice/kubelet.service');
  for (const text of ['', '1:name=systemd:/a\n', '0::/\n', '0::/../../kubelet\n', '0::relative\n']) t.is(parseGroup(text), undefined, text);
});

test('the kubelet is found by its process, with the group that it is in', (t) => {
  const view = fakeNode(t, { 7: { exe: '/usr/bin/bash' }, 30: {}, 200: KUBELET });
  t.deepEqual(findKubelet(view), { pid: 200, group: GROUP, groupId: statSync(path.join(view.cgroupRoot, GROUP), { bigint: true }).ino });
  t.is(findKubelet(fakeNode(t, { 7: { exe: '/usr/bin/bash' } })), undefined);
});

for (const [what, process] of [
  ['another user', { ...KUBELET, uid: '1000' }],
  ['another network, such as that of another node on the same machine', { ...KUBELET, namespaces: { net: 'net:[2]' } }],
  ['files of its own, as in a container', { ...KUBELET, namespaces: { mnt: 'mnt:[2]' } }],
  ['processes of its own, as in a container', { ...KUBELET, namespaces: { pid: 'pid:[2]' } }],
  ['the control group of a pod', { ...KUBELET, group: '/kubepods/besteffort/pod0f0f0f0f-1111-2222-3333-444444444444/abc' }],
  ['the root of control groups, in which pods may be as well', { ...KUBELET, group: '/' }],
  ['a control group outside of what is seen', { ...KUBELET, group: '/../kubelet' }],
] as const) {
  test(`who has the name of the kubelet is not it with ${what}`, (t) => {
    t.is(findKubelet(fakeNode(t, { 30: process })), undefined);
    t.is(findKubelet(fakeNode(t, { 30: process, 200: KUBELET }))?.pid, 200);
  });
}

test('a path that leads to a group without the process is not taken', (t) => {
  const view = fakeNode(t, { 200: KUBELET });
  writeFileSync(path.join(view.cgroupRoot, GROUP, 'cgroup.procs'), '2000\n20\n');
  t.is(findKubelet(view), undefined);
});

test('a group that is told need not have a process', (t) => {
  const { cgroupRoot } = fakeNode(t, {});
  t.is(kubeletOfGroup(cgroupRoot, '/podruntime/kubelet'), undefined);
  mkdirSync(path.join(cgroupRoot, '/podruntime/kubelet'), { recursive: true });
  t.is(kubeletOfGroup(cgroupRoot, '/podruntime/kubelet')?.groupId, statSync(path.join(cgroupRoot, '/podruntime/kubelet'), { bigint: true }).ino);
});
