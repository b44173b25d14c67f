/** The root of a cluster is changed while connections are made and used: by the federation service's own steps, and what agents do of them. */
import { createPublicKey } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { makeRequest } from '@landbridge/agent/identity/csr.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { AuthorityKeeper } from '@landbridge/federation/ca/authority-keeper.ts';
import { ownRootSource } from '@landbridge/federation/ca/ca-source.ts';
import { RootRotation } from '@landbridge/federation/ca/root-rotation.ts';
import { DISTRIBUTION_MS, RETIREMENT_MS } from '@landbridge/federation/ca/rotation.ts';
import { MemorySecretStore } from '@landbridge/federation/kubernetes/memory-secret-store.ts';
import { Agent, balancePlan, hboneCandidate } from './agent.ts';
import { dial, echo, readAll, startApplication } from './applications.ts';
import { eventually } from './eventually.ts';

const TRUST_DOMAIN = 'west.landbridge';
const log = pino({ level: 'silent' });
const idOf = (name: string): SpiffeId => `spiffe://${TRUST_DOMAIN}/ns/test/sa/${name}` as SpiffeId;
/** How many connections are made at once, all the time. */
const CALLERS = 4;
/** What may pass between the word that a root is taken back and the last connection of it. */
const CUT_WITHIN_MS = 60_000;

/** A federation service's authority, whose clock for phases can be set forward. */
class Cluster {
  readonly #secrets = new MemorySecretStore();
  #keeper!: AuthorityKeeper;
  #rotation!: RootRotation;
  #aheadMs = 0;

  /** Also anew: nothing but the Secret stays. */
  async start(): Promise<this> {
    this.#keeper = await AuthorityKeeper.open({ source: ownRootSource(this.#secrets), secrets: this.#secrets, demand: { trustDomain: TRUST_DOMAIN, dnsNames: [] }, clock: Date.now, log });
    const facts = () => ({ nowMs: Date.now() + this.#aheadMs, agents: { connected: 2, confirmed: 2, replicasBehind: [] }, membersBehind: [], allListed: true, fault: this.#keeper.fault });
    this.#rotation = new RootRotation({ isOwn: true, secrets: this.#secrets, trustDomain: TRUST_DOMAIN, facts, takeUp: async () => await this.#keeper.look(), log });
    return this;
  }

  get trust(): readonly (readonly [string, readonly string[]])[] {
    return [[TRUST_DOMAIN, this.#keeper.authority.issuer.roots.map((root) => root.toString())]];
  }

  async certify(name: string): Promise<{ readonly identity: SpiffeId; readonly keyPem: string; readonly chainPem: string }> {
    const identity = idOf(name);
    const { keyPem, requestPem } = await makeRequest(identity);
    const chain = await this.#keeper.authority.issue(identity, { publicKey: createPublicKey(keyPem), requestPem }, 3600, Date.now(), AbortSignal.timeout(60_000));
    return { identity, keyPem, chainPem: chain.join('') };
  }

  async step(afterMs: number): Promise<void> {
    this.#aheadMs += afterMs;
    await this.#rotation.step({ force: false });
  }
}

/** New connections all the time, and those that stay, each of which is used all the time too. */
class Traffic {
  calls = 0;
  readonly failures: string[] = [];
  #isOver = false;
  readonly #running: Promise<unknown>;

  /** `before`: done before each call. */
  constructor(port: number, before: (call: number) => void) {
    this.#running = Promise.all(Array.from({ length: CALLERS }, async (_, caller) => await this.#call(port, caller, before)));
  }

  async #call(port: number, caller: number, before: (call: number) => void): Promise<void> {
    for (let i = 0; !this.#isOver; i++) {
      before(this.calls);
      const said = `${caller} ${i}`;
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      socket.end(said);
      const { text, end } = await readAll(socket);
      if (text !== said || end !== 'end') this.failures.push(`${said}: ${text} ${end}`);
      this.calls++;
    }
  }

  /** So many more calls from now on. */
  async more(t: ExecutionContext, count: number): Promise<void> {
    const enough = this.calls + count;
    await eventually(() => this.calls, (calls) => calls >= enough);
    t.deepEqual(this.failures, []);
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }
}

test.serial('no handshake fails while one root follows another, and afterwards the old one opens nothing and keeps nothing open', async (t) => {
  const cluster = await new Cluster().start();
  await using app = await startApplication(echo);
  const target = { ip: '127.0.0.1', port: app.port };
  const [serverCertificate, clientCertificate, stubborn] = [await cluster.certify('server'), await cluster.certify('client'), await cluster.certify('stubborn')];
  const old = cluster.trust;
  await using server = await Agent.start({ trust: old, certificates: [serverCertificate], pods: [{ uid: 'server', identity: idOf('server'), listens: ['hbone'], policies: [] }] });
  // Connections are shared by who expects the same identities: with another one that nobody has, many calls are handshakes.
  const planOf = (call: number) => balancePlan([hboneCandidate('server', server.port('server', 'hbone'), target, [idOf('server'), idOf(`nobody-${call}`)])]);
  const podOf = (name: string) => ({ uid: name, identity: idOf(name), listens: ['outbound'], destination: { ip: '192.0.2.1', port: 80 }, plan: planOf(0) }) as const;
  await using client = await Agent.start({ trust: old, certificates: [clientCertificate, stubborn], pods: [podOf('client'), podOf('stubborn')] });
  const agents = [server, client];
  const tell = async (): Promise<void> => {
    // One agent hears of it later than the other, in either order.
    for (const agent of agents.reverse()) {
      agent.setTrust(cluster.trust);
      await agent.caughtUp();
      await traffic.more(t, 40);
    }
  };
  const traffic = new Traffic(client.port('client', 'outbound'), (call) => client.setPlan('client', planOf(call)));
  t.teardown(async () => await traffic.end());
  await traffic.more(t, 100);

  await cluster.step(0);
  await tell();
  await cluster.start();
  await traffic.more(t, 40);
  await cluster.step(DISTRIBUTION_MS);
  await tell();
  // Certificates are renewed each by itself: new at one end, old at the other.
  server.setCertificate(await cluster.certify('server'));
  await traffic.more(t, 80);
  await cluster.start();
  client.setCertificate(await cluster.certify('client'));
  await traffic.more(t, 80);

  // Who did not renew: with the old root its connections end, and no further one begins.
  const held = await Promise.all(Array.from({ length: 20 }, async () => {
    const socket = await dial(client.port('stubborn', 'outbound'));
    socket.write('hello');
    await once(socket, 'data');
    return socket;
  }));
  const kept = await dial(client.port('client', 'outbound'));
  kept.write('hello');
  await once(kept, 'data');
  t.deepEqual(Object.keys((await client.totals()).failures), []);
  const cut = held.map(async (socket) => await readAll(socket));
  await cluster.step(RETIREMENT_MS);
  const startedMs = performance.now();
  server.setTrust(cluster.trust);
  await Promise.all(cut);
  const tookMs = performance.now() - startedMs;
  t.log(`${held.length} connections were cut within ${Math.round(tookMs)} ms`);
  t.true(tookMs < CUT_WITHIN_MS);
  client.setTrust(cluster.trust);
  await client.caughtUp();
  for (let i = 0; i < 5; i++) {
    // It may be reset before it is seen to be there.
    const socket = await dial(client.port('stubborn', 'outbound')).catch((thrown: unknown) => void t.is((thrown as NodeJS.ErrnoException).code, 'ECONNRESET'));
    socket?.end('hello');
    t.is(socket === undefined ? '' : (await readAll(socket)).text, '');
  }
  await traffic.more(t, 80);
  kept.write('still');
  t.is(String((await once(kept, 'data'))[0]), 'still');
  kept.destroy();
  await traffic.end();
  t.deepEqual(traffic.failures, []);
  t.deepEqual(Object.keys((await server.totals()).failures).sort(), ['inbound tls-unknown-authority', 'inbound trust-domain'], 'new ones are refused, and open ones cut');
  t.log(`${traffic.calls} calls by ${server.handshakesDone} handshakes, and none failed`);
  t.true(server.handshakesDone > 100);
});

test('a step before its time is refused', async (t) => {
  const cluster = await new Cluster().start();
  await cluster.step(0);
  await t.throwsAsync(cluster.step(0), { instanceOf: LandbridgeError, code: 'rotation-not-ready' });
});
