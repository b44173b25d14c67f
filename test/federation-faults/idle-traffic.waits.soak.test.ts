/** What a member hears and says in a minute in which nothing happens, at 64 members. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beatSubject } from '@landbridge/federation/join/hub-users.ts';
import { makeHubTls } from '@landbridge/federation/join/hub-material.ts';
import { TestNatsServer } from '@landbridge/federation/bus/test-nats-server.ts';
import { openNatsBusAt } from '@landbridge/federation/bus/nats-bus.ts';
import { hubTls } from '@landbridge/federation/bus/hub-access.ts';
import { natsBeatChannel } from '@landbridge/federation/bus/beat-channel.ts';
import { busKey, MEMBERS } from '@landbridge/federation/bus/bus.ts';
import { signBeat } from '@landbridge/federation/peers/beat-signature.ts';
import { beatInterval, DEFAULT_TIMES } from '@landbridge/federation/peers/peer-times.ts';
import { PeerWatch } from '@landbridge/federation/peers/peer-watch.ts';
import { exampleAuthority, exampleKeys, exampleMemberBytes, meta, wish } from '@landbridge/federation/records/example-records.ts';
import { emptyPeers, type PeerState, reducePeers } from '@landbridge/federation/records/peer-table.ts';
import { Publisher } from '@landbridge/federation/records/publisher.ts';
import { NO_DIGEST } from '@landbridge/wire/beat.ts';
import { connect } from '@nats-io/transport-node';
import test from 'ava';
import { pino } from 'pino';
import { BrokenLink } from './broken-link.ts';

const MEMBERS_COUNT = 64;
const MINUTE_MS = 60_000;
const MAX_BYTES = 64 * 1024;
const log = pino({ level: 'silent' });
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('64 members, of which nobody changes anything: within 64 KiB a minute in both directions, TLS among it', async (t) => {
  const tls = await makeHubTls(['127.0.0.1'], new Date());
  await using server = await TestNatsServer.start(async (store, port) => {
    const [certificate, key, config] = ['hub.pem', 'hub-key.pem', 'nats.conf'].map((name) => join(store, '..', name)) as [string, string, string];
    await Promise.all([writeFile(certificate, tls.certificatePem), writeFile(key, tls.keyPem), writeFile(config, `host: 127.0.0.1\nport: ${port}\ntls { cert_file: ${JSON.stringify(certificate)}, key_file: ${JSON.stringify(key)} }\njetstream { store_dir: ${JSON.stringify(store)} }\n`)]);
    return config;
  });
  await using link = await BrokenLink.open(() => server.port);
  const stop = new AbortController();
  const way = `tls://127.0.0.1:${link.port}`;
  const bus = await openNatsBusAt({ access: { servers: [way], tls: hubTls([way], tls.caPem) }, createBucket: true, clusterName: 'cluster-0', log, signal: stop.signal });
  const keys = new Map(Array.from({ length: MEMBERS_COUNT }, (_, index) => [`cluster-${index}`, exampleKeys()]));
  for (const [cluster, of] of keys) await bus.put(busKey(MEMBERS, cluster), exampleMemberBytes(cluster, of), stop.signal);
  let state: PeerState = emptyPeers(exampleAuthority.publicKey);
  const { privateKey } = keys.get('cluster-0') ?? exampleKeys();
  const publisher = new Publisher(bus, { cluster: 'cluster-0', privateKey, clock: Date.now, log });
  publisher.publish(wish(meta));
  const watch = new PeerWatch({ cluster: 'cluster-0', privateKey, channel: natsBeatChannel(bus, 'cluster-0', log), bus, publisher, peers: () => state, isBehind: () => false, take: () => {}, leadership: { isLeading: true }, times: DEFAULT_TIMES, stalePolicy: 'deprioritize', clock: Date.now, onChange: () => {}, log });
  const read = async (): Promise<void> => {
    for await (const event of bus.watch('>', stop.signal)) state = reducePeers(state, event, Date.now());
  };
  const running = Promise.all([read(), publisher.run(stop.signal), watch.run(stop.signal)]);
  const others = await connect({ servers: server.url.replace('nats:', 'tls:'), tls: hubTls([way], tls.caPem) });
  const intervalMs = beatInterval(MEMBERS_COUNT, DEFAULT_TIMES);
  const beats = [...keys].slice(1).map(async ([cluster, of], index) => {
    await sleep((index * intervalMs) / MEMBERS_COUNT);
    for (let sequence = 1; !stop.signal.aborted; sequence += 1) {
      others.publish(beatSubject(cluster), signBeat(of.privateKey, cluster, { epoch: 1, sequence, intervalMs: Math.ceil(intervalMs / 250) * 250, digest: NO_DIGEST, asks: [] }));
      await sleep(intervalMs);
    }
  });
  // Until everything was read, and all were heard once.
  await sleep(intervalMs + 5000);
  t.is([...keys.keys()].filter((cluster) => watch.statusOf(cluster)?.heardMs !== undefined).length, MEMBERS_COUNT - 1);
  const before = link.bytes;
  await sleep(MINUTE_MS);
  const bytes = link.bytes - before;
  t.log(`${bytes} bytes in a minute, a beat each ${intervalMs} ms`);
  t.true(bytes <= MAX_BYTES, `${bytes} bytes`);
  stop.abort();
  await Promise.all([running, ...beats]);
  await others.close();
  await bus[Symbol.asyncDispose]();
});
