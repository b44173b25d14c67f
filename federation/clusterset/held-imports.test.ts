import type { KubernetesObject } from '@kubernetes/client-node';
import test from 'ava';
import { MANAGED_BY, MANAGED_BY_LABEL, MCS_SERVICE_LABEL, MCS_SOURCE_LABEL, type ServiceImport } from '../kubernetes/types.ts';
import { exampleImport, part } from '../outputs/example-imports.ts';
import { asHeld, heldImports, isHeld } from './held-imports.ts';

function serviceImport(clusters: readonly string[], spec: ServiceImport['spec'] = {}, labels: Record<string, string> = { [MANAGED_BY_LABEL]: MANAGED_BY }): ServiceImport {
  return { metadata: { namespace: 'shop', name: 'cart', labels }, spec, status: { clusters: clusters.map((cluster) => ({ cluster })) } };
}

function object(kind: string, name: string, labels: Record<string, string> = {}): KubernetesObject {
  return { kind, metadata: { namespace: 'shop', name, labels } };
}

const east = (cluster: string): boolean => cluster === 'east';

test('an import is held while one of its clusters is not complete', (t) => {
  t.deepEqual([...heldImports([serviceImport(['east', 'west'])], east).keys()], ['shop/cart']);
  t.is(heldImports([serviceImport(['east'])], east).size, 0);
  t.is(heldImports([{ metadata: { namespace: 'shop', name: 'cart', labels: { [MANAGED_BY_LABEL]: MANAGED_BY } } }], east).size, 0, 'a new import has no clusters yet');
  t.is(heldImports([serviceImport(['west'], {}, {})], east).size, 0, 'somebody else’s import says nothing to us');
});

test('what the clusters decide together stays as the API server has it; endpoints are those that are known', (t) => {
  const spec = { type: 'Headless', ports: [{ port: 80 }], ipFamilies: ['IPv6'], internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose', sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 9 } } };
  const now = exampleImport({ ports: [{ name: 'http', protocol: 'TCP', port: 8080 }], clusters: [part('east')] });
  t.deepEqual(asHeld(now, heldImports([serviceImport(['west'], spec)], east)), { ...now, type: 'Headless', ports: [{ name: '', protocol: 'TCP', port: 80 }], ipFamilies: ['IPv6'], internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose', sessionAffinity: 'ClientIP', sessionAffinityTimeoutSeconds: 9 });
  t.is(asHeld(now, new Map()), now);
});

test('of a held import only slices are deleted, and its ServiceEntry is not written', (t) => {
  const held = heldImports([serviceImport(['west'])], east);
  const labels = { [MCS_SERVICE_LABEL]: 'cart' };
  t.true(isHeld({ verb: 'delete', object: object('ServiceImport', 'cart') }, held));
  t.true(isHeld({ verb: 'delete', object: object('Service', 'derived-x', labels) }, held));
  t.true(isHeld({ verb: 'apply', object: object('ServiceEntry', 'derived-x', labels) }, held));
  t.false(isHeld({ verb: 'apply', object: object('Service', 'derived-x', labels) }, held));
  t.false(isHeld({ verb: 'delete', object: object('EndpointSlice', 'derived-x-east', { ...labels, [MCS_SOURCE_LABEL]: 'east' }) }, held));
  t.false(isHeld({ verb: 'delete', object: object('ServiceImport', 'pay') }, held));
});
