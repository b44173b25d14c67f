import { type IpAddress, parseIp } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { endpoint } from '../records/example-records.ts';
import { AddressRanges, readPrefixes } from './address-ranges.ts';
import { confine, type Confinement, dropReason } from './endpoint-confinement.ts';

const ranges = (...texts: string[]): AddressRanges => new AddressRanges(readPrefixes(texts));
const ips = (...texts: string[]): Set<IpAddress> => new Set(texts.flatMap((text) => {
  const ip = parseIp(text);
  return ip.ok ? [ip.value] : [];
}));

const confinement: Confinement = {
  own: { nodes: ips('172.16.0.10', 'fd01::10'), apiServers: ips('172.16.0.2'), serviceRanges: ranges('10.96.0.0/16'), podRanges: ranges('10.1.0.0/16', 'fd00:1::/48') },
  others: ranges('10.3.0.0/16'),
  declared: ranges('10.2.0.0/16', '10.1.7.0/24', '10.3.7.0/24', '172.16.0.0/24', '169.254.0.0/16', 'fd00:2::/48'),
};

test('an address is refused for what it means here, in whatever form it is written, and although it is declared', (t) => {
  const cases: Record<string, string | undefined> = {
    '10.2.0.1': undefined,
    'fd00:2::1': undefined,
    '::ffff:10.2.0.1': undefined,
    '127.0.0.1': 'not-routable',
    '::ffff:127.0.0.1': 'not-routable',
    '::1': 'not-routable',
    '::': 'not-routable',
    '0.0.0.0': 'not-routable',
    '169.254.169.254': 'not-routable',
    'fe80::1': 'not-routable',
    '224.0.0.1': 'not-routable',
    'ff02::1': 'not-routable',
    '255.255.255.255': 'not-routable',
    'fe80::1%eth0': 'not-an-address',
    '0177.0.0.1': 'not-an-address',
    '2130706433': 'not-an-address',
    '0x7f.0.0.1': 'not-an-address',
    '127.1': 'not-an-address',
    'localhost': 'not-an-address',
    '172.16.0.10': 'node',
    '::ffff:172.16.0.10': 'node',
    'FD01:0::10': 'node',
    '172.16.0.2': 'api-server',
    '10.96.0.1': 'service-range',
    '10.1.7.1': 'pod-range',
    'fd00:1:0:5::1': 'pod-range',
    '10.3.7.1': 'other-cluster',
    '10.4.0.1': 'not-declared',
    '8.8.8.8': 'not-declared',
  };
  for (const [address, reason] of Object.entries(cases)) t.is(dropReason(address, confinement, []), reason as never, address);
});

test('a cluster that declared nothing may be anywhere else; one of another network has its own meaning of addresses', (t) => {
  const { declared: _, ...rest } = confinement;
  t.is(dropReason('10.4.0.1', { ...rest, declared: undefined }, []), undefined);
  t.is(dropReason('10.1.7.1', { ...rest, declared: undefined }, []), 'pod-range');
  t.is(dropReason('10.1.7.1', { own: undefined, others: ranges(), declared: undefined }, []), undefined);
  t.is(dropReason('127.0.0.1', { own: undefined, others: ranges(), declared: undefined }, []), 'not-routable');
  t.is(dropReason('10.2.0.1', { ...rest, declared: ranges() }, []), 'not-declared');
});

test('every policy has to have a rule with the address', (t) => {
  const policies = [[ranges('10.2.0.0/24'), ranges('10.2.1.0/24')], [ranges('10.2.0.0/16')]];
  t.is(dropReason('10.2.1.9', confinement, policies), undefined);
  t.is(dropReason('10.2.2.9', confinement, policies), 'policy');
  t.is(dropReason('10.2.1.9', confinement, [...policies, [ranges('10.2.0.0/24')]]), 'policy');
});

test('one address takes its endpoint along; what is kept is in canonical form, and the same list where it was', (t) => {
  const good = endpoint('good', '10.2.0.1');
  const list = [good, { ...endpoint('bad'), addresses: ['10.2.0.2', '::1'] }, { ...endpoint('mapped'), addresses: ['::ffff:a02:3'] }, endpoint('far', '10.4.0.1'), endpoint('farther', '10.5.0.1')];
  const { kept, dropped } = confine(list, confinement, []);
  t.deepEqual(kept.map(({ workload, addresses }) => [workload, ...addresses]), [['good', '10.2.0.1'], ['mapped', '10.2.0.3']]);
  t.is(kept[0], good);
  t.deepEqual([...dropped], [['not-routable', 1], ['not-declared', 2]]);
  const clean = [good];
  t.is(confine(clean, confinement, []).kept, clean);
});

test('what is known to be kept is not looked at again, and makes no difference to what becomes of the others', (t) => {
  const [good, mapped, far] = [endpoint('good', '10.2.0.1'), { ...endpoint('mapped'), addresses: ['::ffff:a02:3'] }, endpoint('far', '10.4.0.1')];
  const { kept } = confine([good, mapped, far], confinement, []);
  const next = [endpoint('new', '10.2.0.7'), good, mapped, far, endpoint('pod', '10.1.7.1')];
  t.deepEqual(confine(next, confinement, [], new Set(kept)), confine(next, confinement, []));
  t.deepEqual(confine([good, far], confinement, [], new Set(kept)).kept, [good]);
  const same = [good, endpoint('new', '10.2.0.7')];
  t.is(confine(same, confinement, [], new Set([good])).kept, same);
});
