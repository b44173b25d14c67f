import { ipBytes, parseIp } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import fc from 'fast-check';
import { exampleGateway } from '../networks/example-gateways.ts';
import type { RemoteGateways } from '../networks/remote-gateways.ts';
import { AddressRanges, readPrefixes } from './address-ranges.ts';
import type { OwnPlaces } from './endpoint-confinement.ts';
import { confineGateways, type ConfinedGateways } from './gateway-confinement.ts';

/** Few addresses and ranges, so that they meet. */
const address = fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })).map(([b, d]) => `10.${b}.0.${d}`);
const range = fc.oneof(address.map((text) => `${text}/32`), fc.integer({ min: 0, max: 3 }).map((b) => `10.${b}.0.0/16`), fc.constant('10.0.0.0/8'), fc.constant('0.0.0.0/0'));
const member = fc.record({ network: fc.constantFrom('here', 'far', 'farther'), ranges: fc.option(fc.array(range, { maxLength: 3 }), { nil: undefined }), gateways: fc.array(address, { maxLength: 4 }) });
const places = fc.array(range.filter((text) => !text.endsWith('/0') && !text.endsWith('/8')), { maxLength: 2 }).map((texts): OwnPlaces => ({ nodes: new Set(), apiServers: new Set(), serviceRanges: new AddressRanges([]), podRanges: new AddressRanges(readPrefixes(texts)) }));
type ExampleMember = typeof member extends fc.Arbitrary<infer M> ? M : never;

/** Named by when they joined. */
function confined(members: readonly ExampleMember[], own: OwnPlaces, order: (names: string[]) => string[] = (names) => names): ConfinedGateways {
  const named = members.map((each, joinedAt) => ({ cluster: `c${joinedAt}`, joinedAt, ...each }));
  const remotes = named.filter(({ network }) => network !== 'here').map(({ cluster, network, gateways }): [string, RemoteGateways] => [cluster, { cluster, trustDomain: cluster, network, gateways: gateways.map((text) => exampleGateway(text)) }]);
  const byName = new Map(named.map((each) => [each.cluster, each]));
  const ordered = order([...byName.keys()]).flatMap((name) => byName.get(name) ?? []);
  return confineGateways(new Map(remotes), { network: 'here', trustDomain: 'own', places: own, gateways: [], members: ordered }, new Map());
}

const keptOf = ({ kept }: ConfinedGateways): object => Object.fromEntries([...kept].map(([cluster, { gateways }]): [string, readonly string[]] => [cluster, gateways.map(({ address: text }) => text)]).sort());

test('nothing that is kept is a place of this cluster, or two clusters’ own; whoever joins later, and who is known first, makes no difference', (t) => {
  fc.assert(fc.property(fc.array(member, { maxLength: 6 }), member, places, (members, newcomer, own) => {
    const result = confined(members, own);
    const all = [...result.kept.values()].flatMap(({ cluster, gateways }) => gateways.map((gateway) => ({ cluster, text: gateway.address })));
    for (const { text } of all) {
      const ip = parseIp(text);
      t.true(ip.ok && !own.podRanges.has(ipBytes(ip.value)));
    }
    t.is(new Set(all.map(({ text, cluster }) => `${text} ${cluster}`)).size, new Set(all.map(({ text }) => text)).size, 'one holder each');
    t.deepEqual(keptOf(confined(members, own, (names) => names.reverse())), keptOf(result));
    const { [`c${members.length}`]: _, ...before } = keptOf(confined([...members, newcomer], own)) as Record<string, unknown>;
    t.deepEqual(before, keptOf(result));
  }));
});
