/** What every source of pods does; run against each kind of it by pod-source.test.ts. */
import type { SerialFn, TestFn } from 'ava';
import { REDIRECTION_ANNOTATION } from '@landbridge/wire/protocol.ts';
import { localPod } from './enrolment.ts';
import type { LocalPod, NodePod, PodSource } from './local-pod.ts';

type Labels = Readonly<Record<string, string>>;

export interface WantedPod {
  readonly namespace: string;
  readonly name: string;
  readonly node?: string;
  readonly labels?: Labels;
  /** As it is made; no change of it changes them. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  /** None before its sandbox has a network. */
  readonly addresses?: readonly string[];
  readonly phase?: string;
}

export interface PodSourceUnderTest extends AsyncDisposable {
  readonly source: PodSource;
  /** The node whose pods the source tells. */
  readonly node: string;
  /** A name that no other test has. */
  readonly namespace: string;
  /** Makes a namespace or changes its labels to exactly these. */
  setNamespace(name: string, labels: Labels): Promise<void>;
  /** Makes a pod or changes its labels and status; where it runs stays as it was. */
  setPod(pod: WantedPod): Promise<void>;
  deletePod(namespace: string, name: string): Promise<void>;
  annotation(namespace: string, name: string, annotation: string): Promise<string | undefined>;
  /** The API server dies; until it is back nothing can be asked or changed. Disposal brings it back as well. */
  kill(): Promise<void>;
  boot(): Promise<void>;
}

const AMBIENT: Labels = { 'landbridge.dev/dataplane-mode': 'ambient' };
const NONE: Labels = { 'istio.io/dataplane-mode': 'none' };
const soon = (): AbortSignal => AbortSignal.timeout(40_000);
const localPods = (pods: readonly NodePod[]): LocalPod[] => pods.map((pod) => localPod(pod)).filter((pod) => pod !== undefined);
const names = (pods: readonly NodePod[]): string => localPods(pods).map(({ name }) => name).sort().join(' ');

/** Reads sets until one has pods to capture of these names, in alphabetical order, and no others; returns those. */
export async function readUntil(sets: AsyncIterator<readonly NodePod[]>, wanted: string): Promise<readonly LocalPod[]> {
  const seen: string[] = [];
  for (;;) {
    const next = await sets.next();
    if (next.done === true) throw new Error(`the watch ended before “${wanted}”, after “${seen.join('”, “')}”`);
    seen.push(names(next.value));
    if (names(next.value) === wanted) return localPods(next.value);
  }
}

/** Reads what is told still, up to the end of the watch. */
async function readToEnd(sets: AsyncIterator<readonly NodePod[]>): Promise<true> {
  while ((await sets.next()).done !== true);
  return true;
}

export function podSourceContract(test: TestFn | SerialFn, name: string, open: () => Promise<PodSourceUnderTest>): void {
  test(`${name}: a node without pods has an empty set at once`, async (t) => {
    await using setup = await open();
    const sets = setup.source.watch(soon())[Symbol.asyncIterator]();
    t.deepEqual(await sets.next(), { done: false, value: [] });
    await sets.return?.();
  });

  test(`${name}: pods that were there before are told with all that is known of them`, async (t) => {
    await using setup = await open();
    const { namespace, node } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    await setup.setPod({ namespace, node, name: 'a', addresses: ['10.1.0.1', 'fd00::1'], phase: 'Running' });
    const sets = setup.source.watch(soon())[Symbol.asyncIterator]();
    const [pod] = await readUntil(sets, 'a');
    t.like(pod, { namespace, name: 'a', serviceAccount: 'default', addresses: ['10.1.0.1', 'fd00::1'], announced: false });
    t.regex(pod?.uid ?? '', /^[0-9a-f-]{36}$/);
    await sets.return?.();
  });

  test(`${name}: a pod is told when it has its address, and no more when it ended or is gone`, async (t) => {
    await using setup = await open();
    const { namespace, node } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    await setup.setPod({ namespace, node, name: 'early' });
    const sets = setup.source.watch(soon())[Symbol.asyncIterator]();
    await readUntil(sets, '');
    await setup.setPod({ namespace, node, name: 'early', addresses: ['10.1.0.1'], phase: 'Running' });
    await readUntil(sets, 'early');
    await setup.setPod({ namespace, node, name: 'late', addresses: ['10.1.0.2'], phase: 'Running' });
    await readUntil(sets, 'early late');
    await setup.setPod({ namespace, node, name: 'early', addresses: ['10.1.0.1'], phase: 'Succeeded' });
    await readUntil(sets, 'late');
    await setup.deletePod(namespace, 'late');
    t.deepEqual(await readUntil(sets, ''), []);
    await sets.return?.();
  });

  test(`${name}: labels of the namespace and of the pod are followed as they change`, async (t) => {
    await using setup = await open();
    const { namespace, node } = setup;
    await setup.setNamespace(namespace, {});
    for (const pod of ['a', 'b']) await setup.setPod({ namespace, node, name: pod, addresses: ['10.1.0.1'], phase: 'Running' });
    const sets = setup.source.watch(soon())[Symbol.asyncIterator]();
    await readUntil(sets, '');
    await setup.setNamespace(namespace, AMBIENT);
    await readUntil(sets, 'a b');
    await setup.setPod({ namespace, node, name: 'a', labels: NONE, addresses: ['10.1.0.1'], phase: 'Running' });
    await readUntil(sets, 'b');
    await setup.setPod({ namespace, node, name: 'a', labels: AMBIENT, addresses: ['10.1.0.1'], phase: 'Running' });
    await readUntil(sets, 'a b');
    await setup.setNamespace(namespace, {});
    t.is((await readUntil(sets, 'a')).length, 1);
    await sets.return?.();
  });

  test(`${name}: pods of other nodes and of the host’s network are not told`, async (t) => {
    await using setup = await open();
    const { namespace, node } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    const sets = setup.source.watch(soon())[Symbol.asyncIterator]();
    await setup.setPod({ namespace, node: `${node}-other`, name: 'elsewhere', addresses: ['10.1.0.1'], phase: 'Running' });
    await setup.setPod({ namespace, node, name: 'host', hostNetwork: true, addresses: ['10.1.0.2'], phase: 'Running' });
    await setup.setPod({ namespace, node, name: 'here', addresses: ['10.1.0.3'], phase: 'Running' });
    t.is((await readUntil(sets, 'here')).length, 1);
    await sets.return?.();
  });

  test(`${name}: an announcement is an annotation that is set and removed, and is told`, async (t) => {
    await using setup = await open();
    const { namespace, node, source } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    await setup.setPod({ namespace, node, name: 'a', addresses: ['10.1.0.1'], phase: 'Running' });
    const sets = source.watch(soon())[Symbol.asyncIterator]();
    const [pod] = await readUntil(sets, 'a');
    if (pod === undefined) throw new Error('there is a pod');
    for (const captured of [true, false]) {
      await source.announce(pod, captured, soon());
      t.is(await setup.annotation(namespace, 'a', REDIRECTION_ANNOTATION), captured ? 'enabled' : undefined);
      let [told] = await readUntil(sets, 'a');
      while (told?.announced !== captured) [told] = await readUntil(sets, 'a');
      // Once more says the same.
      await source.announce(pod, captured, soon());
      t.is(await setup.annotation(namespace, 'a', REDIRECTION_ANNOTATION), captured ? 'enabled' : undefined);
    }
    await sets.return?.();
  });

  test(`${name}: a pod that is gone can not be announced, and its namesake is left alone`, async (t) => {
    await using setup = await open();
    const { namespace, node, source } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    const wanted = { namespace, node, name: 'a', addresses: ['10.1.0.1'], phase: 'Running' };
    await setup.setPod(wanted);
    const sets = source.watch(soon())[Symbol.asyncIterator]();
    const [pod] = await readUntil(sets, 'a');
    if (pod === undefined) throw new Error('there is a pod');
    await setup.deletePod(namespace, 'a');
    await t.throwsAsync(source.announce(pod, true, soon()));
    await setup.setPod(wanted);
    await t.throwsAsync(source.announce(pod, true, soon()));
    t.is(await setup.annotation(namespace, 'a', REDIRECTION_ANNOTATION), undefined);
    await t.throwsAsync(source.announce(pod, true, AbortSignal.abort(new Error('enough'))), { message: 'enough' });
    await sets.return?.();
  });

  test(`${name}: a pod of a file of the kubelet’s is told by the uid that the runtime has, and announced by its mirror’s`, async (t) => {
    await using setup = await open();
    const { namespace, node, source } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    const mirroredUid = '0123456789abcdef0123456789abcdef';
    await setup.setPod({ namespace, node, name: 'a', annotations: { 'kubernetes.io/config.mirror': mirroredUid }, addresses: ['10.1.0.1'], phase: 'Running' });
    const sets = source.watch(soon())[Symbol.asyncIterator]();
    const [pod] = await readUntil(sets, 'a');
    if (pod === undefined) throw new Error('there is a pod');
    t.is(pod.uid, mirroredUid);
    t.regex(pod.mirrorUid ?? '', /^[0-9a-f-]{36}$/);
    await source.announce(pod, true, soon());
    t.is(await setup.annotation(namespace, 'a', REDIRECTION_ANNOTATION), 'enabled');
    await sets.return?.();
  });

  test(`${name}: changes that come while a set is handled are not told one by one`, async (t) => {
    await using setup = await open();
    const { namespace, node, source } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    const slow = source.watch(soon())[Symbol.asyncIterator]();
    const quick = source.watch(soon())[Symbol.asyncIterator]();
    await readUntil(slow, '');
    const pods = ['a', 'b', 'c', 'd', 'e'];
    for (const pod of pods) {
      await setup.setPod({ namespace, node, name: pod, addresses: ['10.1.0.1'], phase: 'Running' });
      await readUntil(quick, pods.slice(0, pods.indexOf(pod) + 1).join(' '));
    }
    let sets = 0;
    for (let told = ''; told !== 'a b c d e'; sets += 1) told = names((await slow.next()).value ?? []);
    // The last change may be on its way to the slow one still.
    t.true(sets <= 2, `${sets} sets`);
    await Promise.all([slow.return?.(), quick.return?.()]);
  });

  test(`${name}: an aborted watch ends without an error, also where the API server is away`, async (t) => {
    await using setup = await open();
    const stop = new AbortController();
    const sets = setup.source.watch(stop.signal)[Symbol.asyncIterator]();
    await readUntil(sets, '');
    const end = readToEnd(sets);
    await setup.kill();
    const late = setup.source.watch(stop.signal)[Symbol.asyncIterator]().next();
    stop.abort();
    t.true(await end);
    t.true((await late).done);
    t.true((await setup.source.watch(stop.signal)[Symbol.asyncIterator]().next()).done);
  });

  test(`${name}: an API server that dies and comes back is survived, and what changes then is told`, async (t) => {
    await using setup = await open();
    const { namespace, node, source } = setup;
    await setup.setNamespace(namespace, AMBIENT);
    for (const pod of ['a', 'b']) await setup.setPod({ namespace, node, name: pod, addresses: ['10.1.0.1'], phase: 'Running' });
    const sets = source.watch(soon())[Symbol.asyncIterator]();
    const [pod] = await readUntil(sets, 'a b');
    if (pod === undefined) throw new Error('there is a pod');
    await setup.kill();
    await t.throwsAsync(source.announce(pod, true, soon()));
    const late = source.watch(soon())[Symbol.asyncIterator]();
    const first = late.next();
    await setup.boot();
    t.is(names((await first).value ?? []), 'a b');
    await setup.deletePod(namespace, 'b');
    await setup.setPod({ namespace, node, name: 'c', addresses: ['10.1.0.1'], phase: 'Running' });
    t.is((await readUntil(sets, 'a c')).length, 2);
    t.is((await readUntil(late, 'a c')).length, 2);
    await Promise.all([sets.return?.(), late.return?.()]);
  });
}
