import test from 'ava';
import fc from 'fast-check';
import { boundedBy, exampleRule } from './example-rules.ts';
import { TrafficConverter } from './traffic-view.ts';

const ROOT = 'istio-system';
const PLACE = { rootNamespace: ROOT, domain: 'cluster.local' };
const HOSTS = ['cart.shop.svc.cluster.local', 'till.shop.svc.cluster.local', 'cart.shop.svc.clusterset.local', 'api.example.com'] as const;

const rule = fc.record({ namespace: fc.constantFrom('shop', ROOT, 'bank'), host: fc.constantFrom(...HOSTS, 'cart', '*.shop.svc.cluster.local', '*.svc.cluster.local', '*.example.com', '*.com', '*'), day: fc.integer({ min: 1, max: 3 }) });

/** As long as what it says of a name: a host by itself counts more than any wildcard. */
const weightOf = (host: string, name: string): number => (host === name ? 1000 : host === '*' ? 1 : host.startsWith('*.') && name.endsWith(host.slice(1)) ? host.length : 0);

test('of the rules for a host, that of the service’s namespace counts before that of the root, the closest before others, the oldest of equals', (t) => {
  fc.assert(fc.property(fc.array(rule, { maxLength: 12 }), fc.constantFrom(...HOSTS), (rules, name) => {
    const objects = rules.map(({ namespace, host, day }, i) => exampleRule(boundedBy(host, i + 1), { namespace, name: `rule-${String(i).padStart(2, '0')}`, creationTimestamp: `2026-01-0${day}T00:00:00Z` }));
    const view = new TrafficConverter(PLACE).view(objects);
    const candidates = rules.map(({ namespace, host, day }, i) => {
      const full = host === 'cart' ? `cart.${namespace}.svc.cluster.local` : host;
      const [, owner] = /\.?([^.*]+)\.svc\.(?:cluster|clusterset)\.local$/.exec(full) ?? [];
      const counts = namespace === ROOT || namespace === 'shop';
      return { i, day, isRoot: namespace === ROOT, weight: counts && (owner === undefined || owner === namespace || namespace === ROOT) ? weightOf(full, name) : 0 };
    }).filter(({ weight }) => weight > 0);
    const [best] = candidates.sort((a, b) => Number(a.isRoot) - Number(b.isRoot) || b.weight - a.weight || a.day - b.day || a.i - b.i);
    t.is(view.policyOf('shop', name).limits.maxConnections, best === undefined ? undefined : best.i + 1);
  }));
});

test('a younger rule for the same host decides nothing, and says which one does', (t) => {
  const objects = [exampleRule(boundedBy('cart', 1), { name: 'young', creationTimestamp: '2026-01-02T00:00:00Z' }), exampleRule(boundedBy('cart.shop.svc.cluster.local', 2), { name: 'old', creationTimestamp: '2026-01-01T00:00:00Z' })];
  const { judged } = new TrafficConverter(PLACE).view(objects);
  t.deepEqual(judged.map(({ verdict }) => verdict), [{ kind: 'refused', reason: 'UnsupportedValue', message: 'It decides nothing: old is older, and for the same host.' }, { kind: 'accepted', message: 'In force.' }]);
});

test('what has no name is passed over', (t) => {
  t.deepEqual(new TrafficConverter(PLACE).view([{ metadata: {} }, {}]).judged, []);
});
