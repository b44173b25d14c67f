import test from 'ava';
import { sourceFor } from './pod-identity.ts';
import type { PodSpec } from './thread-messages.ts';

const podOf = (...addresses: readonly string[]): PodSpec => ({ addresses }) as unknown as PodSpec;

test('a pod is seen at its own address of the family that it calls', (t) => {
  const seen = (pod: PodSpec, ip: string, target: string): string => sourceFor(pod, { ip, port: 7 }, { ip: target, port: 80 }).ip;
  const both = podOf('10.0.0.1', 'fd00::1');
  t.is(seen(both, '10.0.0.1', '10.0.0.2'), '10.0.0.1');
  t.is(seen(both, 'fd00::1', 'fd00::2'), 'fd00::1');
  t.is(seen(both, 'fd00::1', '10.0.0.2'), '10.0.0.1', 'a service of IPv6 with an endpoint of IPv4');
  t.is(seen(both, '127.0.0.1', '10.0.0.2'), '10.0.0.1', 'bound to loopback, to be seen as somebody else');
  t.is(seen(podOf('fd00::1'), 'fd00::1', '10.0.0.2'), 'fd00::1', 'none of the family');
  t.is(seen(podOf(), '10.0.0.1', '10.0.0.2'), '10.0.0.1');
});
