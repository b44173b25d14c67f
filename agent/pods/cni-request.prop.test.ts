import test from 'ava';
import fc from 'fast-check';
import { CNI_ERRORS, MAX_REQUEST_BYTES, parseCniRequest } from './cni-request.ts';
import { podAddresses } from './pod-addresses.ts';

const uid = '0f0f0f0f-1111-2222-3333-444444444444';
const request = (variables: Readonly<Record<string, string>>, configuration: string): Uint8Array => Buffer.from(`${Object.entries(variables).map(([name, value]) => `${name}=${value}\n`).join('')}\n${configuration}`);
const ADD = { CNI_COMMAND: 'ADD', CNI_NETNS: '/var/run/netns/cni-1', CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=demo;K8S_POD_NAME=one-abc;K8S_POD_INFRA_CONTAINER_ID=f00;K8S_POD_UID=${uid}` };
const RESULT = { cniVersion: '1.0.0', interfaces: [{ name: 'eth0' }], ips: [{ interface: 0, address: 'fd00::2/64' }, { interface: 0, address: '10.1.2.3/24', gateway: '10.1.2.1' }], dns: {} };

test('a sandbox is known by what the runtime says, and its result is passed on as it is', (t) => {
  const parsed = parseCniRequest(request(ADD, JSON.stringify({ cniVersion: '1.1.0', name: 'lab', prevResult: { ...RESULT, other: { deep: [1] } } })));
  t.true(parsed.ok);
  if (!parsed.ok || parsed.value.kind !== 'add') return t.fail();
  t.deepEqual(parsed.value.sandbox, { uid, namespace: 'demo', name: 'one-abc', addresses: ['fd00::2', '10.1.2.3'], namespacePath: '/var/run/netns/cni-1' });
  t.deepEqual(JSON.parse(parsed.value.result), { ...RESULT, cniVersion: '1.1.0', other: { deep: [1] } });
  t.like(parseCniRequest(request({ ...ADD, CNI_COMMAND: 'CHECK' }, JSON.stringify({ prevResult: RESULT }))), { value: { kind: 'check' } });
});

test('a pod of IPv6 only has its address, and one without a network none', (t) => {
  t.like(parseCniRequest(request(ADD, JSON.stringify({ prevResult: { ips: [{ address: 'fd00::2/64' }] } }))), { value: { sandbox: { addresses: ['fd00::2'] } } });
  for (const ips of [[], undefined, 'none', [null, { address: 7 }]]) {
    t.like(parseCniRequest(request(ADD, JSON.stringify({ prevResult: { ips } }))), { value: { sandbox: { addresses: [] } } });
  }
});

test('a sandbox that goes may have no namespace any more', (t) => {
  t.deepEqual(parseCniRequest(request({ ...ADD, CNI_COMMAND: 'DEL' }, '{}')), { ok: true, value: { kind: 'del', uid, namespacePath: '/var/run/netns/cni-1' } });
  t.deepEqual(parseCniRequest(request({ ...ADD, CNI_COMMAND: 'DEL', CNI_NETNS: '' }, '{}')), { ok: true, value: { kind: 'del', uid, namespacePath: '' } });
  for (const CNI_COMMAND of ['STATUS', 'GC']) t.deepEqual(parseCniRequest(request({ CNI_COMMAND }, '{}')), { ok: true, value: { kind: CNI_COMMAND.toLowerCase() as 'gc' } });
});

for (const [what, variables, configuration, code] of [
  ['no command', {}, '{}', CNI_ERRORS.invalidEnvironment],
  ['an unknown command', { CNI_COMMAND: 'PLAY' }, '{}', CNI_ERRORS.invalidEnvironment],
  ['no JSON', ADD, '{', CNI_ERRORS.undecodable],
  ['no pod', { ...ADD, CNI_ARGS: '' }, '{}', CNI_ERRORS.invalidEnvironment],
  ['a uid that is a path', { ...ADD, CNI_ARGS: ADD.CNI_ARGS.replace(uid, '../../x') }, '{}', CNI_ERRORS.invalidEnvironment],
  ['a name that is a path', { ...ADD, CNI_ARGS: ADD.CNI_ARGS.replace('one-abc', '../x') }, '{}', CNI_ERRORS.invalidEnvironment],
  ['no network namespace', { ...ADD, CNI_NETNS: '' }, '{}', CNI_ERRORS.invalidEnvironment],
  ['a relative path', { ...ADD, CNI_NETNS: 'netns' }, '{}', CNI_ERRORS.invalidEnvironment],
  ['no plugin before', ADD, '{"cniVersion":"1.0.0"}', CNI_ERRORS.invalidConfiguration],
  ['a result that is none', ADD, '{"prevResult":[]}', CNI_ERRORS.invalidConfiguration],
] as const) {
  test(`refused: ${what}`, (t) => {
    t.like(parseCniRequest(request(variables, configuration)), { ok: false, error: { code } });
  });
}

test('whatever comes, there is an answer of bounded size', (t) => {
  const variable = fc.tuple(fc.constantFrom('CNI_COMMAND', 'CNI_NETNS', 'CNI_ARGS', 'X'), fc.oneof(fc.constantFrom(...Object.values(ADD), 'DEL', 'CHECK'), fc.string())).map((pair) => pair.join('='));
  const configuration = fc.oneof(fc.json(), fc.record({ cniVersion: fc.anything(), prevResult: fc.oneof(fc.constant(RESULT), fc.jsonValue()) }).map((value) => JSON.stringify(value)));
  const bytes = fc.oneof(fc.uint8Array(), fc.tuple(fc.array(variable), configuration).map(([variables, text]) => new Uint8Array(Buffer.from(`${variables.join('\n')}\n\n${text}`))));
  fc.assert(
    fc.property(bytes, (input) => {
      const parsed = parseCniRequest(input);
      if (!parsed.ok) return void t.true(parsed.error.message.length < 200 && Number.isInteger(parsed.error.code));
      if (parsed.value.kind !== 'add') return;
      const { sandbox, result, version } = parsed.value;
      t.true(sandbox.namespacePath.startsWith('/') && !sandbox.namespacePath.includes('\0'));
      t.true([sandbox.uid, sandbox.name, sandbox.namespace].every((name) => /^[0-9A-Za-z.-]+$/.test(name)));
      t.deepEqual(sandbox.addresses, podAddresses(sandbox.addresses));
      t.is(JSON.parse(result).cniVersion, version);
    }),
  );
  t.false(parseCniRequest(new Uint8Array(MAX_REQUEST_BYTES + 1)).ok);
});
