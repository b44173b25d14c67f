import test from 'ava';
import fc from 'fast-check';
import { podAddresses } from './pod-addresses.ts';
import { ACCELERATION_LABEL, DNS_ANNOTATIONS, MODE_LABELS, parseNamespace, parsePod } from './pod-facts.ts';

const uid = '0f0f0f0f-1111-2222-3333-444444444444';
const text = fc.string({ minLength: 1 });
/** A field as it should be, or anything in its place. */
const or = (wanted: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.oneof({ weight: 3, arbitrary: wanted }, fc.jsonValue());
const labels = fc.dictionary(fc.oneof(fc.constantFrom(...MODE_LABELS, ACCELERATION_LABEL), fc.string()), or(fc.string()));
const pod = fc.record(
  {
    metadata: or(fc.record({ uid: or(fc.oneof(fc.uuid(), fc.string())), name: or(text), namespace: or(text), labels: or(labels), annotations: or(fc.dictionary(fc.oneof(fc.constantFrom('kubernetes.io/config.mirror', ...DNS_ANNOTATIONS), fc.string()), or(fc.oneof(fc.uuid(), fc.constantFrom('true', 'false'), fc.string())))) }, { requiredKeys: [] })),
    spec: or(fc.record({ serviceAccountName: or(text), hostNetwork: or(fc.boolean()), dnsPolicy: or(fc.constantFrom('ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None')), dnsConfig: or(fc.record({ searches: or(fc.array(or(fc.string({ maxLength: 260 })), { maxLength: 40 })) })) }, { requiredKeys: [] })),
    status: or(fc.record({ phase: or(text), podIPs: or(fc.array(or(fc.record({ ip: or(fc.oneof(fc.ipV4(), fc.ipV6(), fc.string())) })))) }, { requiredKeys: [] })),
  },
  { requiredKeys: [] },
);

/** What most of the former are not: an object with all that a pod must have. */
const named = fc.tuple(pod, fc.uuid(), text, text).map(([value, uid, namespace, name]) => ({ ...value, metadata: { ...(value.metadata as object), uid, namespace, name } }));

test('whatever an object is, what is told of a pod has its types and nothing else', (t) => {
  let told = 0;
  fc.assert(
    fc.property(fc.oneof(or(pod), named), (value) => {
      const parsed = parsePod(value);
      if (!parsed.ok) return t.not(parsed.error, '');
      told++;
      const { uid, mirroredUid, namespace, name, labels, serviceAccount, isHostNetwork, hasEnded, addresses, announced, wantsAcceleration } = parsed.value;
      t.regex(uid, /^[0-9A-Za-z-]{1,64}$/);
      t.true(mirroredUid === undefined || /^[0-9A-Za-z-]{1,64}$/.test(mirroredUid));
      t.true([namespace, name, serviceAccount].every((word) => word !== ''));
      t.true(Object.entries(labels).every(([label, mode]) => MODE_LABELS.includes(label as never) && typeof mode === 'string'));
      t.deepEqual(addresses, podAddresses(addresses));
      t.true([isHostNetwork, hasEnded, announced, wantsAcceleration].every((is) => typeof is === 'boolean'));
      const { dns } = parsed.value;
      t.true(typeof dns.isClusterFirst === 'boolean' && dns.searches.length <= 32 && dns.searches.every((search) => search !== '' && search.length <= 253));
      t.true(parsed.value.probePorts.every((port) => Number.isInteger(port)));
      t.true([true, false, undefined].includes(parsed.value.capturesDns));
      t.is(Object.keys(parsed.value).length, 14);
      return;
    }),
  );
  t.true(told > 10);
});

test('how a pod completes names is what its specification says, and by default the cluster’s domains come first', (t) => {
  const dnsOf = (spec: object): unknown => {
    const parsed = parsePod({ metadata: { uid, namespace: 'shop', name: 'cart' }, spec });
    return parsed.ok ? parsed.value.dns : undefined;
  };
  t.deepEqual(dnsOf({}), { isClusterFirst: true, searches: [] });
  t.deepEqual(dnsOf({ dnsPolicy: 'ClusterFirst', dnsConfig: { searches: ['Example.COM.', 'lab', '', '.'] } }), { isClusterFirst: true, searches: ['example.com', 'lab'] });
  t.deepEqual(dnsOf({ dnsPolicy: 'None', dnsConfig: { searches: ['lab'] } }), { isClusterFirst: false, searches: ['lab'] });
  t.deepEqual(dnsOf({ dnsPolicy: 'Default' }), { isClusterFirst: false, searches: [] });
});

test('a pod is told whatever else it has', (t) => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), text, text, labels, (more, namespace, name, labels) => {
      const parsed = parsePod({ ...more, metadata: { ...more, uid, namespace, name, labels }, spec: { ...more, hostNetwork: false }, status: { ...more, phase: 'Running', podIPs: [{ ip: 'fd00::1' }, { ip: '10.0.0.1' }, { ip: '10.0.0.2' }] } });
      t.true(parsed.ok);
      if (parsed.ok) t.like(parsed.value, { uid, namespace, name, addresses: ['fd00::1', '10.0.0.1'], hasEnded: false, isHostNetwork: false });
    }),
  );
});

test('whatever an object is, a namespace has a name and labels of one kind', (t) => {
  fc.assert(
    fc.property(or(fc.record({ metadata: or(fc.record({ name: or(text), labels: or(labels) })) })), (value) => {
      const parsed = parseNamespace(value);
      if (parsed.ok) t.true(parsed.value.name !== '' && Object.keys(parsed.value.labels).every((label) => MODE_LABELS.includes(label as never)));
    }),
  );
  t.deepEqual(parseNamespace({ metadata: { name: 'shop', labels: { [MODE_LABELS[0]]: 'ambient', team: 'x' } } }), { ok: true, value: { name: 'shop', labels: { [MODE_LABELS[0]]: 'ambient' } } });
});
