import { formatPrefix } from '@landbridge/core/ip-address.ts';
import test from 'ava';
import { type Declaration, judgeClaims } from './declared-ranges.ts';

const says = (cluster: string, joinedAt: number, ranges: readonly string[] | undefined, network = ''): Declaration => ({ cluster, network, joinedAt, ranges });

function claims(...declarations: readonly Declaration[]): Record<string, { readonly declared: string[] | undefined; readonly others: string[]; readonly faults: number }> {
  return Object.fromEntries([...judgeClaims(declarations)].map(([cluster, { declared, others, faults }]) => [cluster, { declared: declared?.prefixes.map(formatPrefix), others: others.prefixes.map(formatPrefix), faults: faults.length }]));
}

test('clusters keep out of each other’s ranges; one without a declaration out of all', (t) => {
  t.deepEqual(claims(says('west', 1, ['10.2.0.0/16']), says('north', 2, ['10.3.0.0/17', '10.3.128.0/17']), says('old', 3, undefined)), {
    west: { declared: ['10.2.0.0/16'], others: ['10.3.0.0/16'], faults: 0 },
    north: { declared: ['10.3.0.0/16'], others: ['10.2.0.0/16'], faults: 0 },
    old: { declared: undefined, others: ['10.2.0.0/15'], faults: 0 },
  });
});

test('of two that claim the same addresses, the one that joined first has them, and both are told', (t) => {
  for (const order of [0, 1]) {
    const both = [says('west', 1, ['10.2.0.0/16']), says('mallory', 2, ['10.2.4.0/24', '10.9.0.0/16'])];
    const judged = judgeClaims(order === 0 ? both : both.toReversed());
    t.deepEqual([...(judged.get('west')?.others.prefixes ?? [])].map(formatPrefix), ['10.9.0.0/16']);
    t.deepEqual([...(judged.get('mallory')?.others.prefixes ?? [])].map(formatPrefix), ['10.2.0.0/16']);
    t.regex(judged.get('mallory')?.faults[0] ?? '', /addresses of west, which joined before: 10\.2\.0\.0\/16/);
    t.regex(judged.get('west')?.faults[0] ?? '', /addresses of mallory, which joined later: 10\.2\.4\.0\/24/);
  }
});

test('the same addresses in another network are others', (t) => {
  t.deepEqual(claims(says('west', 1, ['10.2.0.0/16']), says('north', 2, ['10.2.0.0/16'], 'n2')), { west: { declared: ['10.2.0.0/16'], others: [], faults: 0 }, north: { declared: ['10.2.0.0/16'], others: [], faults: 0 } });
});

test('a range that is none, or as wide as no cluster, is no claim', (t) => {
  t.deepEqual(claims(says('mallory', 1, ['0.0.0.0/0', '::/0', '10.0.0.0/7', 'nonsense', '10.2.0.0/16']), says('west', 2, ['10.3.0.0/16'])), {
    mallory: { declared: ['10.2.0.0/16'], others: ['10.3.0.0/16'], faults: 1 },
    west: { declared: ['10.3.0.0/16'], others: ['10.2.0.0/16'], faults: 0 },
  });
});
