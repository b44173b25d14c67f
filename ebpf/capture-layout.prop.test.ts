import { readFileSync } from 'node:fs';
import { SocketAddress } from 'node:net';
import path from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { decode, encode } from 'bpf-linker-node/codec';
import { addressBytes, addressText, dialKey, DNS_PORT, DNS_SERVERS, dnsDatagramKind, dnsFlowKey, flowKey, LISTENER_KINDS, listenerKey, netnsKey, parseEndpoint, podValue, probePortKey, RESERVED_POD, socketValue, sumOfProcessors } from './capture-layout.ts';
import { maps } from './capture-skeleton.ts';

test('an address survives the way into a map and out of it', (t) => {
  fc.assert(fc.property(fc.ipV4(), (ip) => addressText(addressBytes(ip)) === ip));
  fc.assert(fc.property(fc.ipV6(), (ip) => {
    const canonical = new SocketAddress({ address: ip, family: 'ipv6' }).address;
    const text = addressText(addressBytes(ip));
    // Mapped addresses are IPv4 here.
    return canonical.startsWith('::ffff:') || addressBytes(text).equals(addressBytes(ip));
  }));
  t.is(addressText(addressBytes('::ffff:10.1.2.3')), '10.1.2.3');
  t.is(addressText(addressBytes('fd00:0:0:1::5')), 'fd00:0:0:1::5');
});

test('keys have the bytes that capture.h lays out', (t) => {
  const flow = flowKey(0x0102030405060708n, { ip: '10.1.2.3', port: 0x1234 });
  t.is(flow.toString('hex'), `0807060504030201${'00'.repeat(10)}ffff0a0102031234${'00'.repeat(6)}`);
  t.is(dialKey(addressBytes('10.1.2.3'), 0x1234, addressBytes('fd00::5'), 80).toString('hex'), `${'00'.repeat(10)}ffff0a010203fd00${'00'.repeat(13)}0512340050`);
  t.is(listenerKey('10.1.2.3', LISTENER_KINDS.plaintext).toString('hex'), `${'00'.repeat(10)}ffff0a01020301000000`);
  t.deepEqual(parseEndpoint(Buffer.from(`${'00'.repeat(10)}ffff0a01020312340000`, 'hex')), { ip: '10.1.2.3', port: 0x1234 });
});

test('what is written by hand is what the layouts of the compiler say', (t) => {
  const words = (ip: Buffer): readonly number[] => [0, 4, 8, 12].map((at) => ip.readUInt32BE(at));
  const port = fc.nat({ max: 0xffff });
  const ip = fc.oneof(fc.ipV4(), fc.ipV6()).map(addressBytes);
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), ip, port, ip, port, (netns, source, sourcePort, local, localPort) => {
    t.deepEqual(decode(maps.original_destinations.key, flowKey(netns, { ip: addressText(source), port: sourcePort })), { netns, source: { ip: words(source), port: sourcePort, pad: 0 }, pad: 0 });
    t.deepEqual(decode(maps.dials.key, dialKey(source, sourcePort, local, localPort)), { remote_ip: words(source), local_ip: words(local), remote_port: sourcePort, local_port: localPort });
    t.deepEqual(decode(maps.listeners.key, listenerKey(addressText(local), LISTENER_KINDS.plaintext)), { ip: words(local), kind: 1 });
    t.deepEqual(decode(maps.dns_flows.key, dnsFlowKey(local, localPort, source, sourcePort)), { to: { ip: words(local), port: localPort, pad: 0 }, source: { ip: words(source), port: sourcePort, pad: 0 } });
    t.deepEqual(decode(maps.probe_ports.key, probePortKey(addressText(local), localPort)), { ip: words(local), port: localPort, pad: 0 });
    t.deepEqual(parseEndpoint(Buffer.from(encode(maps.original_destinations.value, { ip: words(local), port: localPort, pad: 0 }))), { ip: addressText(local), port: localPort });
    t.is(decode(maps.pods.key, netnsKey(netns)), netns);
  }));
  t.deepEqual(decode(maps.listeners.key, listenerKey('10.1.2.3', LISTENER_KINDS.outbound)).kind, 2);
  t.is(decode(maps.listeners.value, socketValue(7)), 7n);
});

test('what capture.h names is named so here', (t) => {
  const header = readFileSync(path.join(import.meta.dirname, 'programs/capture.h'), 'utf8');
  const named = (name: string): number => Number(new RegExp(`\\b${name} (?:= )?(\\d+)`).exec(header)?.[1]);
  t.deepEqual([named('DNS_PORT'), named('DNS_SERVERS')], [DNS_PORT, DNS_SERVERS]);
  for (const [kind, number] of Object.entries(LISTENER_KINDS)) t.is(named(`LISTENER_${kind.toUpperCase()}`), number, kind);
  t.is(named('LISTENER_DNS_DATAGRAMS'), dnsDatagramKind(0));
});

test('a count is the sum of those of all processors', (t) => {
  fc.assert(fc.property(fc.array(fc.bigInt({ min: 0n, max: 2n ** 48n })), (counts) => sumOfProcessors(Buffer.concat(counts.map((count) => Buffer.from(encode(maps.guard_drops.value, count))))) === counts.reduce((sum, count) => sum + count, 0n)));
  t.is(sumOfProcessors(undefined), 0n);
});

test('a pod has the first address of each family, in whichever order they come', (t) => {
  const ip6 = [0xfd000000, 0, 0, 5];
  t.deepEqual(decode(maps.pods.value, podValue(['10.1.2.3', 'fd00::5', '10.9.9.9'])), { ip4: 0x0a010203, ip6, flags: 1 });
  t.deepEqual(decode(maps.pods.value, podValue(['fd00::5', '10.1.2.3'])), { ip4: 0x0a010203, ip6, flags: 1 });
  t.deepEqual(decode(maps.pods.value, podValue(['fd00::5'])), { ip4: 0, ip6, flags: 1 });
  t.deepEqual(decode(maps.pods.value, podValue(['10.1.2.3'])), { ip4: 0x0a010203, ip6: [0, 0, 0, 0], flags: 1 });
  t.deepEqual(decode(maps.pods.value, podValue(['10.1.2.3'], true)), { ip4: 0x0a010203, ip6: [0, 0, 0, 0], flags: 3 });
  t.deepEqual(decode(maps.pods.value, RESERVED_POD), { ip4: 0, ip6: [0, 0, 0, 0], flags: 0 });
  t.throws(() => podValue(['pod']), { message: /pod/ });
});
