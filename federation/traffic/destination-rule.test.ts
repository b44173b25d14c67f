import { NO_TRAFFIC_POLICY } from '@landbridge/core/route-plan.ts';
import test from 'ava';
import fc from 'fast-check';
import { type ConvertedRule, convertDestinationRule } from './destination-rule.ts';
import { exampleRule } from './example-rules.ts';

const PLACE = { rootNamespace: 'istio-system', domain: 'cluster.local' };
const converted = (spec: unknown, metadata: object = {}): ConvertedRule => {
  const found = convertDestinationRule(exampleRule(spec, metadata), PLACE);
  if (found === undefined) throw new Error('it has no name');
  return found;
};
const messageOf = ({ verdict }: ConvertedRule): string => ('message' in verdict ? verdict.message : '');

test('bounds of connections and of those that wait for one, and affinity by address, are taken', (t) => {
  const { rule, verdict } = converted({
    host: 'cart',
    trafficPolicy: { connectionPool: { tcp: { maxConnections: 100 }, http: { http1MaxPendingRequests: 10 } }, loadBalancer: { consistentHash: { useSourceIp: true } } },
    exportTo: ['*'],
  });
  t.deepEqual(rule?.policy, { limits: { maxConnections: 100, maxPending: 10 }, affinity: 'client-address' });
  t.is(rule?.host, 'cart.shop.svc.cluster.local');
  t.deepEqual(verdict, { kind: 'accepted', message: 'In force.' });
});

test('a rule that says nothing bounds nothing, nor does 0', (t) => {
  for (const trafficPolicy of [undefined, {}, { connectionPool: { tcp: { maxConnections: 0 } } }, { loadBalancer: { simple: 'LEAST_REQUEST' } }, { loadBalancer: { consistentHash: { useSourceIp: false } } }]) {
    const { rule, verdict } = converted({ host: 'cart', ...(trafficPolicy === undefined ? {} : { trafficPolicy }) });
    t.deepEqual(rule?.policy, NO_TRAFFIC_POLICY);
    t.is(verdict.kind, 'accepted');
  }
});

test('what agents do not act upon is named, and the rest is in force', (t) => {
  const rule = converted({
    host: 'cart.shop.svc.clusterset.local',
    subsets: [{ name: 'v1' }],
    trafficPolicy: { connectionPool: { tcp: { maxConnections: 7, connectTimeout: '1s' } }, loadBalancer: { simple: 'RANDOM', localityLbSetting: {} }, tls: { mode: 'ISTIO_MUTUAL' }, outlierDetection: {} },
  });
  t.is(rule.rule?.policy.limits.maxConnections, 7);
  t.deepEqual(rule.verdict, {
    kind: 'partial',
    reason: 'UnsupportedValue',
    message: 'In force, but for what agents do not act upon: subsets; trafficPolicy.connectionPool.tcp.connectTimeout; trafficPolicy.loadBalancer.localityLbSetting; trafficPolicy.loadBalancer.simple: RANDOM; trafficPolicy.outlierDetection; and 1 more.',
  });
});

test('hosts: a bare name is a Service beside the rule, others are as they stand', (t) => {
  for (const [host, full] of [['cart', 'cart.shop.svc.cluster.local'], ['cart.shop.svc.clusterset.local', 'cart.shop.svc.clusterset.local'], ['*.shop.svc.cluster.local', '*.shop.svc.cluster.local'], ['*.example.com', '*.example.com'], ['*', '*'], ['*.svc.cluster.local', '*.svc.cluster.local']]) {
    t.is(converted({ host }).rule?.host, full);
  }
});

test('what is meant for some clients only decides nothing, and says so', (t) => {
  for (const [spec, words] of [
    [{ host: 'cart', workloadSelector: { matchLabels: {} } }, /workloadSelector/],
    [{ host: 'cart', exportTo: ['.'] }, /exportTo/],
    [{ host: 'till.bank.svc.cluster.local' }, /namespace of the service, bank, and of istio-system/],
    [{ host: '*.bank.svc.clusterset.local' }, /bank/],
  ] as const) {
    const rule = converted(spec);
    t.is(rule.rule, undefined);
    t.like(rule.verdict, { kind: 'refused', reason: 'UnsupportedValue' });
    t.regex(messageOf(rule), words);
  }
  t.not(converted({ host: 'till.bank.svc.cluster.local' }, { namespace: 'istio-system' }).rule, undefined);
});

test('what can not be read decides nothing, and says where', (t) => {
  for (const [spec, where] of [
    [undefined, /^It decides nothing, since it can not be read: spec/],
    [{}, /spec/],
    [{ host: '' }, /spec\.host/],
    [{ host: 'Cart' }, /spec\.host/],
    [{ host: 'a*b' }, /spec\.host/],
    [{ host: 'cart', trafficPolicy: { connectionPool: { tcp: { maxConnections: -1 } } } }, /spec\.trafficPolicy\.connectionPool\.tcp\.maxConnections/],
    [{ host: 'cart', trafficPolicy: { connectionPool: { tcp: { maxConnections: '5' } } } }, /maxConnections/],
    [{ host: 'cart', trafficPolicy: [] }, /spec\.trafficPolicy/],
    [{ host: 'cart', exportTo: '*' }, /spec\.exportTo/],
  ] as const) {
    const rule = converted(spec);
    t.is(rule.rule, undefined);
    t.like(rule.verdict, { kind: 'refused', reason: 'Invalid' });
    t.regex(messageOf(rule), where);
  }
});

test('anything gives an answer', (t) => {
  t.is(convertDestinationRule(undefined, PLACE), undefined);
  fc.assert(fc.property(fc.anything(), fc.anything(), (spec, creationTimestamp) => {
    const found = convertDestinationRule({ metadata: { namespace: 'shop', name: 'rule', creationTimestamp }, spec }, PLACE);
    return found !== undefined && (found.rule === undefined || Number.isFinite(found.rule.createdAt));
  }));
});
