import test from 'ava';
import { type BaggageLabels, formatBaggage, formatForwarded, formatTraceparent, parseBaggage, parseForwarded, parseTraceparent, TRACEPARENT_BYTES } from './hbone-headers.ts';

const NOTHING: BaggageLabels = { cluster: '', namespace: '', workloadKind: 'pod', workload: '', canonicalName: '', canonicalRevision: '', region: '', zone: '' };
const CART: BaggageLabels = { cluster: 'west', namespace: 'shop', workloadKind: 'deployment', workload: 'cart', canonicalName: 'cart', canonicalRevision: 'v1', region: 'eu-central-1', zone: 'eu-central-1a' };
const CART_TEXT = 'k8s.cluster.name=west,k8s.namespace.name=shop,k8s.deployment.name=cart,service.name=cart,service.version=v1,cloud.region=eu-central-1,cloud.availability_zone=eu-central-1a';

const labels = (text: string): Partial<BaggageLabels> | string => {
  const parsed = parseBaggage(text);
  return parsed.ok ? Object.fromEntries(Object.entries(parsed.value).filter(([name, value]) => value !== NOTHING[name as keyof BaggageLabels])) : 'refused';
};

test('baggage has its members in their order, without those that are empty', (t) => {
  t.is(formatBaggage(CART), CART_TEXT);
  t.is(formatBaggage({ ...NOTHING, cluster: 'west', workloadKind: 'cronjob', workload: 'nightly', zone: 'a' }), 'k8s.cluster.name=west,k8s.cronjob.name=nightly,cloud.availability_zone=a');
  t.is(formatBaggage(NOTHING), '');
});

test('values stand as they are', (t) => {
  t.is(formatBaggage({ ...NOTHING, region: 'East US 2/x="100%"' }), 'cloud.region=East US 2/x="100%"');
  t.deepEqual(labels('cloud.region=East US 2/x="100%"'), { region: 'East US 2/x="100%"' });
  t.deepEqual(labels('service.name=a%2Cb'), { canonicalName: 'a%2Cb' });
});

test('a value that would be something else is left out', (t) => {
  for (const region of ['a,k8s.namespace.name=kube-system', 'a;b', 'a\nb', 'a\r\nx: y', ' a', 'a ', '\u00e9', '\u010a', '\0', 'a'.repeat(254)]) t.is(formatBaggage({ ...NOTHING, cluster: 'west', region }), 'k8s.cluster.name=west', region);
});

test('baggage is parsed in any order, with members that are not known', (t) => {
  t.deepEqual(parseBaggage(CART_TEXT), { ok: true, value: CART });
  t.deepEqual(labels('x=y,cloud.region=r , k8s.job.name = j;p=1,,=,k8s.replicaset.name=z,service.version=a,service.version=b'), { region: 'r', workloadKind: 'job', workload: 'j', canonicalRevision: 'b' });
  t.deepEqual(labels('service.version'), {});
  t.deepEqual(labels(''), {});
});

test('baggage is bounded', (t) => {
  t.is(labels('a'.repeat(8193)), 'refused');
  t.is(labels('a=b,'.repeat(64)), 'refused');
  t.deepEqual(labels(`${'a=b,'.repeat(63)}service.name=x`), { canonicalName: 'x' });
  t.deepEqual(labels(`service.name=${'a'.repeat(254)},cloud.region=\u00ff,cloud.availability_zone=a\tb`), {});
});

test('forwarded names the connection, and the service where there is one', (t) => {
  t.is(formatForwarded({ ip: '10.0.0.1', port: 40000 }), 'for="10.0.0.1:40000"');
  t.is(formatForwarded({ ip: 'fd00::1', port: 1 }, 'cart.shop.svc.clusterset.local'), 'for="[fd00::1]:1";host=cart.shop.svc.clusterset.local');
});

test('forwarded is parsed as RFC 7239 has it', (t) => {
  const source = { ip: '10.0.0.1' as never, port: 40000 };
  for (const [text, expected] of [
    ['for="10.0.0.1:40000"', { source, host: undefined }],
    ['for="10.0.0.1:40000";host=cart.shop', { source, host: 'cart.shop' }],
    ['Host="Cart.Shop"; FOR="[fd00:0::1]:1"', { source: { ip: 'fd00::1' as never, port: 1 }, host: 'cart.shop' }],
    ['host=*.example.com', { source: undefined, host: '*.example.com' }],
    ['by=_x;proto=http;for="10.0.0.1:40000", for="10.9.9.9:1"', { source, host: undefined }],
    ['for=unknown', { source: undefined, host: undefined }],
    ['for="_hidden"', { source: undefined, host: undefined }],
    ['for=10.0.0.1', { source: undefined, host: undefined }],
    ['for="cart:80"', { source: undefined, host: undefined }],
    ['host=*', { source: undefined, host: undefined }],
    ['host="a.*.b"', { source: undefined, host: undefined }],
    [`host=*.${'a.'.repeat(126)}`, { source: undefined, host: undefined }],
  ] as const) t.deepEqual(parseForwarded(text), { ok: true, value: expected }, text);
});

test('what is not forwarded is refused', (t) => {
  for (const text of ['', 'for', 'for=', '=a', 'for=10.0.0.1:80', 'for="10.0.0.1:80', 'for="a\\"b"', 'for=a;', 'for=a for=b', 'for=a;for=b', 'for =a', `for=${'a'.repeat(1021)}`]) t.false(parseForwarded(text).ok, text);
});

test('traceparent has the bytes it is given', (t) => {
  t.is(TRACEPARENT_BYTES, 24);
  t.is(formatTraceparent(Uint8Array.from({ length: 24 }, (_, at) => at + 1)), '00-0102030405060708090a0b0c0d0e0f10-1112131415161718-00');
  t.is(formatTraceparent(new Uint8Array(100).fill(0xab).subarray(7, 40)), `00-${'ab'.repeat(16)}-${'ab'.repeat(8)}-00`);
});

test('traceparent of W3C Trace Context is parsed', (t) => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const parentId = '00f067aa0ba902b7';
  for (const text of [`00-${traceId}-${parentId}-01`, `01-${traceId}-${parentId}-00`, `cc-${traceId}-${parentId}-00-more`]) t.deepEqual(parseTraceparent(text), { ok: true, value: { traceId, parentId } });
  for (const text of ['', `00-${traceId}-${parentId}`, `00-${traceId}-${parentId}-01-more`, `00-${traceId}-${parentId}-011`, `ff-${traceId}-${parentId}-01`, `00-${'0'.repeat(32)}-${parentId}-01`, `00-${traceId}-${'0'.repeat(16)}-01`, `00-${traceId.toUpperCase()}-${parentId}-01`, `cc-${traceId}-${parentId}-00-${'m'.repeat(300)}`]) t.false(parseTraceparent(text).ok, text);
});
