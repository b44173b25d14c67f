import test from 'ava';
import { planLab, WAN } from './plan.ts';
import { planNetwork } from './routes.ts';

const of = (flat: boolean) => new Map(planNetwork(planLab({ joined: 2, bare: false, clusters: 2, workers: 1, flat })).map((plan) => [plan.netns, plan]));

test('every node reaches the pods of its neighbours directly and everything else by the router', (t) => {
  const node = of(true).get('lb-east-worker')!;
  t.true(node.commands.includes('route add 10.101.0.0/24 via 172.31.1.10'));
  t.true(node.commands.includes('route add default via 172.31.1.1'));
  t.false(node.commands.some((command) => command.includes('10.101.1.0/24')), 'its own pods are on its own bridge');
});

test('a flat lab routes the pods of all clusters and translates no address', (t) => {
  const plans = of(true);
  const router = plans.get(WAN)!.commands;
  for (const route of ['10.101.0.0/24 via 172.31.1.10', '10.101.1.0/24 via 172.31.1.11', '10.102.1.0/24 via 172.31.2.11']) t.true(router.includes(`route add ${route}`));
  t.true([...plans.values()].every((plan) => plan.ruleset === undefined));
});

test('a lab that is not flat routes no pod range between clusters and translates what leaves one', (t) => {
  const plans = of(false);
  t.false(plans.get(WAN)!.commands.some((command) => command.startsWith('route add 10.')));
  t.regex(plans.get('lb-west-worker')!.ruleset!, /ip saddr 10\.102\.0\.0\/16 ip daddr != \{ 10\.102\.0\.0\/16, 172\.31\.2\.0\/24/);
});

test('the router comes first, because it makes the links of the nodes', (t) => {
  t.is(planNetwork(planLab({ clusters: 1, joined: 1, bare: false, workers: 1, flat: true }))[0]?.netns, WAN);
});
