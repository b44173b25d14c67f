import { X509Certificate } from 'node:crypto';
import test from 'ava';
import type { MetaRecord } from '@landbridge/core/records.ts';
import { makeRoot } from '../ca/own-root.ts';
import { exampleKeys, exampleMember } from '../records/example-records.ts';
import type { ClusterView } from '../records/peer-table.ts';
import { exampleView } from './example-cluster.ts';
import { bundleDigest, membersBehind, TrustDistribution, trustBundles } from './trust-distribution.ts';

const root = (trustDomain: string): Buffer => new X509Certificate(makeRoot(trustDomain, Date.now()).certificatePem).raw;
const [own, joined, next] = [root('east.landbridge'), root('west.landbridge'), root('west.landbridge')];
const east = { cluster: 'east', trustDomain: 'east.landbridge', roots: [own] };
const base64 = (...roots: readonly Buffer[]): string[] => roots.map((each) => each.toString('base64'));
const meta = (more: Partial<MetaRecord>): MetaRecord => ({ kind: 'meta', trustDomain: 'west.landbridge', network: '', version: '0.1.0', ...more });
const west = (said: MetaRecord | undefined, changes: object = {}): ReadonlyMap<string, ClusterView> => new Map([['west', exampleView('west', { member: exampleMember('west', exampleKeys(), { roots: base64(joined), ...changes }), meta: said })]]);
const rootsOf = (views: ReadonlyMap<string, ClusterView>): string[] => (trustBundles(east, views).get('west')?.roots ?? []).map((each) => each.toString('base64')).sort();

test('a member’s roots are those of its join until it says others, and then those alone', (t) => {
  t.deepEqual(rootsOf(west(undefined)), base64(joined));
  t.deepEqual(rootsOf(west(meta({}))), base64(joined));
  t.deepEqual(rootsOf(west(meta({ roots: base64(next, joined) }))), base64(joined, next).sort());
  t.deepEqual(rootsOf(west(meta({ roots: base64(next) }))), base64(next), 'the old one is taken back');
});

test('what makes no sense is as if it had not been said', (t) => {
  for (const said of [meta({ roots: [] }), meta({ roots: ['AAAA'] }), meta({ roots: [...base64(next), 'AAAA'] }), meta({ trustDomain: 'north.landbridge', roots: base64(next) })]) t.deepEqual(rootsOf(west(said)), base64(joined), JSON.stringify(said));
});

test('a member says nothing of trust domains that are not its own', (t) => {
  const views = west(meta({ trustDomain: 'east.landbridge', roots: base64(next) }), { trustDomain: 'east.landbridge' });
  t.deepEqual([...trustBundles(east, views).values()].map(({ trustDomain, roots }) => [trustDomain, roots]), [['east.landbridge', [own]]]);
  const named = trustBundles(east, west(meta({ roots: base64(next) }))).get('east');
  t.deepEqual(named?.roots, [own]);
});

test('the same roots have one digest and one form, in whichever order they are told', (t) => {
  t.is(bundleDigest({ roots: [joined, next] }), bundleDigest({ roots: [next, joined] }));
  t.not(bundleDigest({ roots: [joined] }), bundleDigest({ roots: [joined, next] }));
  const inOrder = (...roots: readonly Buffer[]): unknown => trustBundles({ ...east, roots }, new Map()).get('east');
  t.deepEqual(inOrder(joined, next), inOrder(next, joined));
});

test('what all agents have had stays so until the roots are others', (t) => {
  const distribution = new TrustDistribution();
  const before = trustBundles(east, west(undefined));
  const after = trustBundles(east, west(meta({ roots: base64(joined, next) })));
  const digest = (bundles: typeof before): string => bundleDigest(bundles.get('west') ?? { roots: [] });
  t.false(distribution.update(before, () => false));
  t.deepEqual(distribution.trusted('east'), []);
  t.true(distribution.update(before, () => true));
  t.deepEqual(distribution.trusted('east'), [{ cluster: 'west', digest: digest(before) }], 'of others only');
  t.false(distribution.update(before, () => false), 'an agent that comes anew');
  t.false(distribution.update(after, () => false));
  t.deepEqual(distribution.trusted('east'), [{ cluster: 'west', digest: digest(before) }], 'still the old ones');
  t.true(distribution.update(after, (trustDomain) => trustDomain === 'west.landbridge'));
  t.deepEqual(distribution.trusted('east'), [{ cluster: 'west', digest: digest(after) }]);
  t.false(distribution.update(new Map([...before].map(([cluster, bundle]) => [cluster, { ...bundle, isProvisional: true }])), () => true), 'what may be old news is nothing to confirm');
  t.true(distribution.update(trustBundles(east, new Map()), () => false));
  t.deepEqual(distribution.trusted('east'), []);
});

test('members that have not said that they have the roots of now are behind', (t) => {
  const trusting = (digest: string): ReadonlyMap<string, ClusterView> => west(meta({ trusted: [{ cluster: 'north', digest: bundleDigest(east) }, { cluster: 'east', digest }] }));
  t.deepEqual(membersBehind(east, trusting(bundleDigest(east))), []);
  t.deepEqual(membersBehind(east, trusting('0'.repeat(64))), ['west']);
  t.deepEqual(membersBehind(east, west(undefined)), ['west'], 'one that is too old to say it');
  t.deepEqual(membersBehind(east, new Map([['east', exampleView('east')]])), [], 'this cluster itself');
});

test('of a cluster whose records were not all read yet roots are told with reserve', (t) => {
  const views = west(undefined);
  t.false(trustBundles(east, views).get('west')?.isProvisional);
  const incomplete = new Map([...views].map(([name, view]) => [name, { ...view, complete: false }]));
  t.true(trustBundles(east, incomplete).get('west')?.isProvisional);
  t.false(trustBundles(east, incomplete).get('east')?.isProvisional);
  const mirrored = new Map([...views].map(([name, view]) => [name, { ...view, isProvisional: true }]));
  t.true(trustBundles(east, mirrored).get('west')?.isProvisional, 'a mirror may have older ones');
});
