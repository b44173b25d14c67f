import { X509Certificate } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { pino } from 'pino';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { AuthorityKeeper } from './authority-keeper.ts';
import { OWN_SECRET, ownRootSource } from './ca-source.ts';
import { makeRoot } from './own-root.ts';
import { encodeOwnRoots, type OwnRoots, parseOwnRoots } from './own-roots.ts';
import { RootRotation } from './root-rotation.ts';
import { afterStep, DISTRIBUTION_MS, obstacles, RETIREMENT_MS, type RotationFacts } from './rotation.ts';

const log = pino({ level: 'silent' });
const fingerprint = (pem: string): string => new X509Certificate(pem).fingerprint256;

/** A federation service with its Secret, which can be started anew at any time. */
class Service {
  readonly secrets = new MemorySecretStore();
  nowMs = Date.now();
  facts: Omit<RotationFacts, 'nowMs' | 'fault'> = { agents: { connected: 2, confirmed: 2, replicasBehind: [] }, membersBehind: [], allListed: true };
  keeper!: AuthorityKeeper;
  rotation!: RootRotation;

  async start(): Promise<this> {
    this.keeper = await AuthorityKeeper.open({ source: ownRootSource(this.secrets), secrets: this.secrets, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock: () => this.nowMs, log });
    this.rotation = new RootRotation({ isOwn: true, secrets: this.secrets, trustDomain: 'west.landbridge', facts: () => ({ ...this.facts, nowMs: this.nowMs, fault: this.keeper.fault }), takeUp: async () => await this.keeper.look(), log });
    return this;
  }

  async step(force = false): Promise<string> {
    return (await this.rotation.step({ force })).phase;
  }

  get roots(): readonly string[] {
    return this.keeper.authority.issuer.roots.map(({ fingerprint256 }) => fingerprint256);
  }

  async phase(): Promise<OwnRoots> {
    const own = parseOwnRoots((await this.secrets.read(OWN_SECRET))?.values ?? {});
    if (!own.ok) throw new Error(own.error);
    return own.value;
  }
}

for (const restarts of [false, true]) {
  test(`a root follows another in three steps${restarts ? ', also where the service is started anew in each phase' : ''}`, async (t) => {
    const service = await new Service().start();
    const restart = async (): Promise<void> => void (restarts && (await service.start()));
    const [old] = service.roots;
    t.deepEqual(await service.rotation.status(), { phase: 'none', next: 'add', obstacles: [] });
    t.is(await service.step(), 'distributing');
    await restart();
    t.is(service.roots.length, 2);
    t.is(service.roots[0], old, 'the old one still signs');
    t.like(await service.rotation.status(), { phase: 'distributing', next: 'sign', since: service.nowMs });
    service.nowMs += DISTRIBUTION_MS;
    await restart();
    t.is(await service.step(), 'retiring');
    await restart();
    const [next] = service.roots;
    t.not(next, old);
    t.deepEqual(service.roots, [next, old], 'the new one signs, both are told');
    t.is(service.secrets.configMap('landbridge-ca-root')?.['root-cert.pem']?.split('BEGIN').length, 3);
    service.nowMs += RETIREMENT_MS;
    await restart();
    t.is(await service.step(), 'none');
    await restart();
    t.deepEqual(service.roots, [next]);
    t.deepEqual(Object.keys((await service.secrets.read(OWN_SECRET))?.values ?? {}).sort(), ['tls.crt', 'tls.key'], 'nothing of it is left');
    t.is(service.keeper.fault, undefined);
  });
}

test('no step is made before its time, before all agents and members have the root, or while the authority is out of order', async (t) => {
  const service = await new Service().start();
  await service.step();
  const refused = async (reason: RegExp): Promise<void> => {
    const before = (await service.secrets.read(OWN_SECRET))?.resourceVersion;
    await t.throwsAsync(service.step(), { code: 'rotation-not-ready', message: reason });
    t.is((await service.secrets.read(OWN_SECRET))?.resourceVersion, before);
    t.regex((await service.rotation.status()).obstacles.join(' '), reason);
  };
  await refused(/certain only from .* that the new root is on all nodes/);
  service.nowMs += DISTRIBUTION_MS - 1;
  await refused(/certain only/);
  service.nowMs += 1;
  service.facts = { ...service.facts, agents: { connected: 3, confirmed: 2, replicasBehind: [] } };
  await refused(/^1 of 3 agents of this cluster/);
  service.facts = { ...service.facts, agents: { connected: 3, confirmed: 3, replicasBehind: ['pod-b'] } };
  await refused(/^Not told yet by all replicas of the federation service: pod-b\.$/);
  service.facts = { ...service.facts, agents: { connected: 0, confirmed: 0, replicasBehind: [] }, membersBehind: ['north', 'south'] };
  await refused(/^Not all agents have the new root in: north, south\.$/);
  service.facts = { ...service.facts, membersBehind: [], allListed: false };
  await refused(/the hub was not read/);
  service.facts = { ...service.facts, allListed: true };
  t.is(await service.step(), 'retiring');
  service.nowMs += RETIREMENT_MS - 1;
  service.facts = { ...service.facts, membersBehind: ['north'] };
  await refused(/no certificate of the old root is valid any more/);
  service.nowMs += 1;
  t.is(await service.step(), 'none', 'who is behind now trusts the new root, or nothing of this cluster');
});

test('whoever must, makes a step all the same', async (t) => {
  const service = await new Service().start();
  service.facts = { agents: { connected: 1, confirmed: 0, replicasBehind: [] }, membersBehind: ['north'], allListed: false };
  for (const phase of ['distributing', 'retiring', 'none']) t.is(await service.step(true), phase);
});

test('two commands at once make one step', async (t) => {
  const service = await new Service().start();
  const results = await Promise.allSettled([service.step(), service.step()]);
  t.deepEqual(results.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.is((await service.phase()).rotation.kind, 'distributing');
  t.is(service.roots.length, 2);
});

test('nonsense in the Secret in any phase leaves in use what is, and is said', async (t) => {
  for (const steps of [0, 1, 2]) {
    const service = await new Service().start();
    for (let i = 0; i < steps; i++) await service.step(true);
    const before = service.roots;
    const stored = (await service.secrets.read(OWN_SECRET))?.values ?? {};
    for (const key of Object.keys(stored)) {
      for (const bad of ['', 'nonsense', '{"phase":"dancing","since":1}', '{}', makeRoot('west.landbridge', Date.now()).keyPem]) {
        await service.secrets.write(OWN_SECRET, { ...stored, [key]: bad }, (await service.secrets.read(OWN_SECRET))?.resourceVersion);
        await service.keeper.look();
        t.truthy(service.keeper.fault, `${steps} ${key} ${bad.slice(0, 10)}`);
        t.deepEqual(service.roots, before);
        t.notRegex(service.keeper.fault ?? '', /PRIVATE/);
      }
    }
    await service.secrets.write(OWN_SECRET, stored, (await service.secrets.read(OWN_SECRET))?.resourceVersion);
    await service.keeper.look();
    t.is(service.keeper.fault, undefined);
  }
});

test('a root that is not the service’s own is not its to change', async (t) => {
  const service = await new Service().start();
  const plugged = new RootRotation({ isOwn: false, secrets: service.secrets, trustDomain: 'west.landbridge', facts: () => ({ ...service.facts, nowMs: 0, fault: undefined }), takeUp: async () => {}, log });
  await t.throwsAsync(plugged.step({ force: true }), { code: 'ca-not-own' });
  await t.throwsAsync(plugged.status(), { code: 'ca-not-own' });
});

const material = fc.record({ certificatePem: fc.string({ minLength: 1 }), keyPem: fc.string({ minLength: 1 }) });
const rotation = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc.record({ kind: fc.constant('distributing' as const), sinceMs: fc.nat(), next: material }),
  fc.record({ kind: fc.constant('retiring' as const), sinceMs: fc.nat(), previousPem: fc.string({ minLength: 1 }) }),
);

test('any state survives the Secret, and any Secret gives a state or a reason', (t) => {
  fc.assert(fc.property(fc.record({ current: material, rotation }), (own) => {
    t.deepEqual(parseOwnRoots(encodeOwnRoots(own)), { ok: true, value: own });
  }), { numRuns: 200 });
  fc.assert(fc.property(fc.dictionary(fc.constantFrom('tls.crt', 'tls.key', 'rotation.json', 'next.crt', 'next.key', 'previous.crt'), fc.oneof(fc.string(), fc.json(), fc.constant('{"phase":"retiring","since":1}'))), (values) => {
    const parsed = parseOwnRoots(values);
    t.true(parsed.ok || parsed.error.length > 0);
  }), { numRuns: 300 });
});

test('three steps always come back to one root, the newest', (t) => {
  const [first, second] = [makeRoot('a', 0), makeRoot('a', 0)];
  let own: OwnRoots = { current: first, rotation: { kind: 'none' } };
  for (let i = 0; i < 3; i++) own = afterStep(own, i, () => second);
  t.deepEqual(own, { current: second, rotation: { kind: 'none' } });
  t.not(fingerprint(first.certificatePem), fingerprint(second.certificatePem));
  t.deepEqual(obstacles(own, { nowMs: 0, agents: { connected: 1, confirmed: 0, replicasBehind: [] }, membersBehind: ['x'], allListed: false, fault: undefined }), [], 'a further root harms nobody');
});
