import test from 'ava';
import { importBalancing } from './import-balancing.ts';
import { NO_RULES, type ShareRules } from './shares.ts';

const preferences = (...asked: Parameters<typeof importBalancing>): string => {
  const balancing = importBalancing(...asked);
  return balancing === undefined ? 'none' : `${balancing.mode} ${balancing.preferences.join()}`;
};
const capped: ShareRules = { ...NO_RULES, caps: new Map([['west', 10]]) };
const divided: ShareRules = { ...NO_RULES, percents: new Map([['west', 10]]) };

test('the own cluster goes first, unless connections are divided by percents', (t) => {
  t.is(preferences(NO_RULES), 'failover network,region,cluster');
  t.is(preferences(capped), 'failover cluster');
  t.is(preferences(divided), 'none');
});

test('a distribution goes by zones first where there are no rules; a node is told by its cluster too', (t) => {
  t.is(preferences(NO_RULES, { trafficDistribution: 'PreferSameZone' }), 'failover network,region,zone,cluster');
  t.is(preferences(NO_RULES, { trafficDistribution: 'PreferSameNode' }), 'failover network,region,zone,subzone,cluster,node');
  t.is(preferences(NO_RULES, { trafficDistribution: 'PreferNobody' }), 'failover network,region,cluster');
  t.is(preferences(capped, { trafficDistribution: 'PreferSameZone' }), 'failover cluster');
  t.is(preferences(divided, { trafficDistribution: 'PreferSameZone' }), 'none');
});

test('the policy Local holds whatever rules say', (t) => {
  for (const rules of [NO_RULES, capped, divided]) t.is(preferences(rules, { internalTrafficPolicy: 'Local', trafficDistribution: 'PreferClose' }), 'strict cluster,node');
  t.is(preferences(NO_RULES, { internalTrafficPolicy: 'Cluster' }), 'failover network,region,cluster');
});
