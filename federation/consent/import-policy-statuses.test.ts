import type { KubernetesObject, V1Condition } from '@kubernetes/client-node';
import test from 'ava';
import type { ConsentReport, Refusal } from './consent-report.ts';
import { examplePolicy } from './example-policies.ts';
import { importPolicyConditions } from './import-policy-conditions.ts';
import { ImportPolicyStatuses, STATUS_INTERVAL_MS } from './import-policy-statuses.ts';
import { readImportPolicies } from './import-policies.ts';

const NOW = new Date(1_700_000_000_000);
const refusal = (service: string, policy: string): Refusal => ({ service, reason: 'policy', policy, message: 'no' });
const report = (...refusals: readonly Refusal[]): ConsentReport => new Map([['west', { refused: new Map(), refusals, dropped: new Map(), held: 0, declares: undefined, faults: [] }]]);
const said = (object: KubernetesObject, of: ConsentReport): string[] => readImportPolicies([object]).flatMap((judged) => (importPolicyConditions(judged, of, NOW) ?? []).map(({ type, status, reason, message }) => `${type}=${status} ${reason} ${message}`.trim()));

test('a policy says whether it is in force and what it keeps out, the first of many', (t) => {
  t.deepEqual(said(examplePolicy({ allow: [{}] }), report()), ['Accepted=True Accepted', 'Refusing=False NothingRefused']);
  t.deepEqual(said(examplePolicy({ allow: [] }), report(refusal('shop/cart', 'imports'), refusal('shop/till', 'another'))), ['Accepted=True Accepted', 'Refusing=True NotAllowed not imported: shop/cart of west']);
  t.regex(said(examplePolicy({ allow: [{ clusters: 'west' }] }), report())[0] ?? '', /^Accepted=False Invalid it denies what it governs: \/spec\/allow/);
  const many = report(...Array.from({ length: 50 }, (_, i) => refusal(`shop/s${i}`, 'imports')));
  t.regex(said(examplePolicy({ allow: [] }), many)[1] ?? '', /shop\/s4 of west and others$/);
});

test('what it says already is not said again; conditions of others stay', (t) => {
  const theirs: V1Condition = { type: 'Theirs', status: 'True', reason: 'X', message: '', lastTransitionTime: NOW };
  const before = { ...examplePolicy({ allow: [{}] }), status: { conditions: [theirs] } };
  const [judged] = readImportPolicies([before]);
  const conditions = judged === undefined ? [] : (importPolicyConditions(judged, report(), NOW) ?? []);
  t.deepEqual(conditions.map(({ type }) => type), ['Theirs', 'Accepted', 'Refusing']);
  t.deepEqual(said({ ...before, status: { conditions } } as KubernetesObject, report()), []);
});

test('statuses are written at once, then again after a while, and what could not be written is tried again', async (t) => {
  const written: string[] = [];
  let isReachable = true;
  const statuses = new ImportPolicyStatuses({ writeStatus: async (plural, object) => written.push(`${plural} ${object.metadata?.name}`) > 0 && isReachable });
  const judged = readImportPolicies([examplePolicy({ allow: [] })]);
  t.true(await statuses.write(judged, report(), NOW, 0));
  t.deepEqual([written, statuses.nextAtMs], [['importpolicies imports'], undefined]);
  const next = report(refusal('shop/cart', 'imports'));
  t.true(await statuses.write(judged, next, NOW, 1000));
  t.deepEqual([written.length, statuses.nextAtMs], [1, STATUS_INTERVAL_MS]);
  isReachable = false;
  t.false(await statuses.write(judged, next, NOW, STATUS_INTERVAL_MS));
  isReachable = true;
  t.true(await statuses.write(judged, next, NOW, 2 * STATUS_INTERVAL_MS));
  t.is(written.length, 3);
  t.true(await statuses.write(judged, next, NOW, 3 * STATUS_INTERVAL_MS));
  t.is(written.length, 3);
});
