import test from 'ava';
import { planLab, WAN } from './plan.ts';
import { planNetwork } from './routes.ts';

const of = (networks: number, clusters = 2) => new Map(planNetwork(planLab({ joined: 2, bare: false, clusters, workers: 1, networks })).map((plan) => [plan.netns, plan]));

test('every node reaches the pods of its neighbours directly and everything else by the router', (t) => {
  const node = of(1).get('lb-east-worker')!;
  t.true(node.commands.includes('route add 10.101.0.0/24 via 172.31.1.10'));
  t.true(node.commands.includes('route add default via 172.31.1.1'));
  t.false(node.commands.some((command) => command.includes('10.101.1.0/24')), 'its own pods are on its own bridge');
});

test('in one network the pods of all clusters are routed and no address is translated', (t) => {
  const plans = of(1);
  const router = plans.get(WAN)!.commands;
  for (const route of ['10.101.0.0/24 via 172.31.1.10', '10.101.1.0/24 via 172.31.1.11', '10.102.1.0/24 via 172.31.2.11']) t.true(router.includes(`route add ${route}`));
  t.true([...plans.values()].every((plan) => plan.ruleset === undefined));
});

test('between networks nothing goes to or from addresses of pods, and what leaves one takes the address of its node', (t) => {
  const plans = of(2, 3);
  t.regex(plans.get('lb-west-worker')!.ruleset!, /ip saddr 10\.102\.0\.0\/16 ip daddr != \{ 10\.102\.0\.0\/16, 172\.31\.2\.0\/24, 10\.202\.0\.0\/16, 224/);
  t.regex(plans.get('lb-east-worker')!.ruleset!, /ip saddr 10\.101\.0\.0\/16 ip daddr != \{ 10\.101\.0\.0\/16, 172\.31\.1\.0\/24, 10\.103\.0\.0\/16, 172\.31\.3\.0\/24, 10\.201/);
  t.regex(plans.get(WAN)!.ruleset!, /ip daddr \{ 10\.101\.0\.0\/16, 10\.103\.0\.0\/16 \} ip saddr != \{ 10\.101\.0\.0\/16, 172\.31\.1\.0\/24, 10\.103\.0\.0\/16, 172\.31\.3\.0\/24 \} drop/);
});

test('the router comes first, because it makes the links of the nodes', (t) => {
  t.is(planNetwork(planLab({ clusters: 1, joined: 1, bare: false, workers: 1, networks: 1 }))[0]?.netns, WAN);
});
