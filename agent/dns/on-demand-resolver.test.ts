import { Buffer } from 'node:buffer';
import { exampleQueryBytes } from '@landbridge/wire/example-dns.ts';
import test from 'ava';
import { decode } from 'dns-packet';
import { OnDemand } from '../discovery/on-demand.ts';
import { Registry } from '../discovery/registry.ts';
import type { Service, Workload } from '../discovery/wds-address.ts';
import type { DnsOutcome } from './dns-resolver.ts';
import { onDemandResolver } from './on-demand-resolver.ts';
import { headlessService, namedEndpoint, namedService } from './test-names.ts';

const CLIENT = { uid: 'u', namespace: 'shop', name: 'web', serviceAccount: 'web', addresses: ['10.1.9.9'] };
const CART = namedService('cart', 'clusterset.local', { addresses: ['/10.96.0.1'] });
const LOCAL = namedService('pay', 'cluster.local', { addresses: ['/10.96.0.2'] });

/** A resolver whose control plane is the test. */
function asking() {
  const registry = new Registry();
  const onDemand = new OnDemand(registry, { node: 'n', controlPlane: 'own', clusterDomain: 'cluster.local', forgotten: () => {}, now: () => 0 });
  const asked: string[] = [];
  onDemand.begin(({ subscribe }) => void asked.push(...subscribe));
  const resolver = onDemandResolver({ registry, isReady: true }, onDemand, { clusterDomain: 'cluster.local', network: '', random: () => 0.5 });
  const ask = (name: string): DnsOutcome | Promise<DnsOutcome> => resolver(exampleQueryBytes(name), CLIENT, 'udp');
  const tell = (updated: readonly (Workload | Service)[], removed: readonly string[] = []): void => {
    onDemand.flush();
    registry.apply({ updated, removed });
    onDemand.told(updated, removed);
  };
  return { ask, asked, tell, onDemand };
}

async function shown(outcome: DnsOutcome | Promise<DnsOutcome>): Promise<string> {
  const decided = await outcome;
  if (decided.kind !== 'answer') return decided.kind;
  const { rcode, answers = [] } = decode(Buffer.from(decided.message)) as ReturnType<typeof decode> & { readonly rcode: string };
  return [rcode, ...answers.map((answer) => ('data' in answer ? String(answer.data) : ''))].join(' ');
}

test('the answer waits for what the control plane says, and is there at once afterwards', async (t) => {
  const { ask, asked, tell } = asking();
  const waiting = ask('cart.shop.svc.clusterset.local');
  t.true(waiting instanceof Promise);
  tell([CART]);
  t.deepEqual(asked, [CART.key]);
  t.is(await shown(waiting), 'NOERROR 10.96.0.1');
  const again = ask('cart.shop.svc.clusterset.local');
  t.false(again instanceof Promise);
  t.is(await shown(again), 'NOERROR 10.96.0.1');
});

test('what is not there is no name of the clusterset, and elsewhere a question for others', async (t) => {
  const { ask, tell } = asking();
  const waiting = [ask('none.shop.svc.clusterset.local'), ask('none.shop.svc.cluster.local')];
  tell([], ['shop/none.shop.svc.clusterset.local', 'shop/none.shop.svc.cluster.local']);
  t.deepEqual(await Promise.all(waiting.map(shown)), ['NXDOMAIN', 'forward']);
});

test('a name with a part of the search list behind it is asked for without it', async (t) => {
  const { ask, tell, asked } = asking();
  const waiting = ask('cart.shop.svc.clusterset.local.shop.svc.cluster.local');
  tell([CART]);
  t.deepEqual(asked, [CART.key]);
  t.is(await shown(waiting), 'NOERROR cart.shop.svc.clusterset.local 10.96.0.1');
});

test('names of no cluster are not asked for, and not what the search list would make of them', async (t) => {
  const { ask, asked, tell, onDemand } = asking();
  for (const name of ['www.example.com', 'example.com', 'pay.shop']) t.is(await shown(ask(name)), 'forward', name);
  onDemand.flush();
  t.deepEqual(asked, []);
  // `pay.shop.shop.svc.cluster.local` comes before it, and nobody has asked for that.
  tell([LOCAL]);
  t.is(await shown(ask('pay.shop')), 'forward');
});

test('while the control plane is away, what is known is answered, and the rest as before discovery has told anything', async (t) => {
  const { ask, tell, onDemand } = asking();
  const waiting = ask('cart.shop.svc.clusterset.local');
  tell([CART]);
  await waiting;
  onDemand.ended();
  t.is(await shown(ask('cart.shop.svc.clusterset.local')), 'NOERROR 10.96.0.1');
  t.is(await shown(ask('other.shop.svc.clusterset.local')), 'SERVFAIL');
  t.is(await shown(ask('pay.shop.svc.cluster.local')), 'forward');
});

test('endpoints of a headless service come with it; a namespace is no name, and may be the end of one', async (t) => {
  const { ask, tell } = asking();
  const db = headlessService('db', 'clusterset.local');
  const waiting = ask('db-0.east.db.shop.svc.clusterset.local');
  tell([db, namedEndpoint('east', 'db-0', ['10.1.0.1'], [db], { hostname: 'db-0' })]);
  t.is(await shown(waiting), 'NOERROR 10.1.0.1');
  t.is(await shown(ask('shop.svc.clusterset.local')), 'NOERROR');
});
