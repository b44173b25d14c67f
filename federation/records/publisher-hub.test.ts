import { until } from '@landbridge/lab/until.ts';
import test from 'ava';
import pino from 'pino';
import { type NatsBus, openNatsBusAt } from '../bus/nats-bus.ts';
import { TestNatsServer } from '../bus/test-nats-server.ts';
import { exampleAuthority, exampleKeys, exampleMemberBytes, service, wish } from './example-records.ts';
import { emptyPeers, reducePeers, views } from './peer-table.ts';
import { Publisher } from './publisher.ts';

const log = pino({ level: process.env['LANDBRIDGE_TEST_LOG'] ?? 'silent' });
const keys = exampleKeys();

test.serial('a hub that is killed, with its store or without, costs no peer an import, and is filled again', async (t) => {
  await using server = await TestNatsServer.start();
  const stop = new AbortController();
  const { signal } = stop;
  const open = (createBucket: boolean): Promise<NatsBus> =>
    openNatsBusAt({ access: { servers: [server.url] }, createBucket, clusterName: 'west', log, signal, heartbeatMs: 500 });
  const founder = await open(true);
  const west = await open(false);
  const east = await open(false);
  await founder.put('members.west', exampleMemberBytes('west', keys), signal);

  const publisher = new Publisher(west, { cluster: 'west', privateKey: keys.privateKey, log, clock: Date.now });
  const running = publisher.run(signal);
  let peers = emptyPeers(exampleAuthority.publicKey);
  const counts: number[] = [];
  let restarts = 0;
  const watching = (async () => {
    for await (const event of east.watch('>', signal)) {
      peers = reducePeers(peers, event, Date.now());
      if (event.kind === 'restart') restarts += 1;
      if (views(peers).get('west')?.complete) counts.push(views(peers).get('west')?.services.size ?? 0);
    }
  })();
  const seen = (): number => views(peers).get('west')?.services.size ?? 0;

  publisher.publish(wish(...Array.from({ length: 300 }, (_, index) => service(`s${index}`))));
  await until('the peer must see all', () => seen() === 300 && views(peers).get('west')?.complete === true);

  await server.kill();
  await server.boot();
  publisher.publish(wish(...Array.from({ length: 301 }, (_, index) => service(`s${index}`))));
  await until('the peer must see one more', () => seen() === 301);
  t.is(restarts, 0);

  await server.kill();
  await server.emptyStore();
  // While the hub is away the owner withdraws one: the tombstone must reach the peer through the new bucket.
  publisher.publish(wish(...Array.from({ length: 300 }, (_, index) => service(`s${index}`))));
  await server.boot();
  // The founder makes the bucket when it next has to do with it.
  await founder.put('members.west', exampleMemberBytes('west', keys), signal);
  await until('the withdrawal must arrive', () => seen() === 300);
  await until('the bucket must be filled again', async () => !publisher.status().pending && (await founder.get('west.svc.shop.s299', signal)) !== undefined);
  t.is(restarts, 1);
  t.is(Math.min(...counts), 300);

  stop.abort();
  await Promise.all([running, watching]);
});
