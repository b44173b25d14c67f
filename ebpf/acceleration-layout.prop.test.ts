import test from 'ava';
import { decode } from 'bpf-linker-node/codec';
import fc from 'fast-check';
import { acceleratedPodKey, parseDirection, newDirection, socketKey } from './acceleration-layout.ts';
import { maps } from './acceleration-skeleton.ts';

const endpoint = fc.record({ ip: fc.uint8Array({ minLength: 4, maxLength: 4 }), port: fc.nat(65_535) });
const mapped = (ip: Uint8Array): Uint8Array => Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), ip]);
const number = (ip: Uint8Array): number => Buffer.from(ip).readUInt32BE(0);

test('what is written by hand is what the programs read', (t) => {
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), endpoint, endpoint, (netns, local, remote) => {
    const key = socketKey(netns, { ip: mapped(local.ip), port: local.port }, { ip: mapped(remote.ip), port: remote.port });
    const told = { netns, local_ip: number(local.ip), remote_ip: number(remote.ip), local_port: local.port, remote_port: remote.port };
    t.deepEqual(decode(maps.directions.key, key), told);
    t.deepEqual(decode(maps.directions.value, newDirection(key)), { receiver: told, sent: 0n, read: 0n, tcp_read: 0, is_known: 0, is_blocking: 0, pad: 0 });
    t.is(decode(maps.accelerated_pods.key, acceleratedPodKey(netns)), netns);
  }));
});

test('states are read where the programs write them', (t) => {
  const value = newDirection();
  value.writeBigUInt64LE(7n, 24);
  value.writeBigUInt64LE(5n, 32);
  value[45] = 1;
  t.like(decode(maps.directions.value, value), { sent: 7n, read: 5n, is_blocking: 1 });
  t.deepEqual(parseDirection(value), { sent: 7n, read: 5n, isBlocking: true });
});
