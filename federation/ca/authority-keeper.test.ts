import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { until } from '@landbridge/lab/until.ts';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { ExampleLeadership } from '../leadership/example-leadership.ts';
import { AuthorityKeeper, ROOT_CONFIG_MAP } from './authority-keeper.ts';
import { type CaSource, caSource, folderSource, OWN_SECRET, ownRootSource, secretSource } from './ca-source.ts';
import { type PluggedCertificate, pluggedAuthority } from './example-plugged.ts';
import { makeRoot } from './own-root.ts';

const log = pino({ level: 'silent' });
/** A minute on, as certificates begin when they are made. */
const clock = (): number => Date.now() + 60_000;
const root = pluggedAuthority('root', undefined);
const first = pluggedAuthority('first', root);
const second = pluggedAuthority('second', root, { key: 'rsa:2048' });
const otherRoot = pluggedAuthority('other', undefined);
const third = pluggedAuthority('third', otherRoot);

const open = async (secrets: MemorySecretStore, source: CaSource, at = clock): Promise<AuthorityKeeper> => await AuthorityKeeper.open({ source, secrets, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock: at, log });
const istio = (issuing: PluggedCertificate, roots: readonly PluggedCertificate[]): Record<string, string> => ({ 'ca-cert.pem': issuing.pem, 'ca-key.pem': issuing.keyPem, 'cert-chain.pem': issuing.pem, 'root-cert.pem': roots.map(({ pem }) => pem).join('') });
const manager = (issuing: PluggedCertificate, roots: readonly PluggedCertificate[]): Record<string, string> => ({ 'tls.crt': issuing.pem, 'tls.key': issuing.keyPem, 'ca.crt': roots.map(({ pem }) => pem).join('') });

async function put(secrets: MemorySecretStore, name: string, values: Record<string, string>): Promise<void> {
  await secrets.write(name, values, (await secrets.read(name))?.resourceVersion);
}

const subject = ({ authority }: AuthorityKeeper): string => authority.issuer.subject.split('CN=').at(-1) ?? '';
const told = (secrets: MemorySecretStore): string | undefined => secrets.configMap(ROOT_CONFIG_MAP)?.['root-cert.pem'];

test('a root is made once, kept, and told to agents', async (t) => {
  const secrets = new MemorySecretStore();
  const made = await open(secrets, ownRootSource(secrets));
  const again = await open(secrets, caSource({ source: 'self', secret: '', directory: '', signerName: '', approves: true, rootsConfigMap: '', rootsKey: '' }, secrets, { sign: async () => await Promise.reject(new Error('asked')) }, clock));
  t.is(again.authority.rootsPem, made.authority.rootsPem);
  t.is((await secrets.read(OWN_SECRET))?.values['tls.crt'], made.authority.rootsPem);
  t.is(told(secrets), made.authority.rootsPem, 'and nothing else: the key stays in the Secret');
  t.deepEqual(Object.keys(secrets.configMap(ROOT_CONFIG_MAP) ?? {}), ['root-cert.pem']);
});

test('who comes second takes the root of who came first', async (t) => {
  const theirs = makeRoot('west.landbridge', Date.now());
  const secrets = new MemorySecretStore();
  const rivalled = Object.assign(Object.create(secrets) as MemorySecretStore, {
    read: async (name: string) => await secrets.read(name),
    readConfigMap: async () => undefined,
    writeConfigMap: async () => {},
    write: async () => {
      await secrets.write(OWN_SECRET, { 'tls.crt': theirs.certificatePem, 'tls.key': theirs.keyPem }, undefined);
      throw new LandbridgeError('conflict', 'written by somebody else');
    },
  });
  t.is((await open(rivalled, ownRootSource(rivalled))).authority.rootsPem, theirs.certificatePem);
});

test('a Secret that is of no use is not replaced, and agents are told nothing', async (t) => {
  const theirs = makeRoot('west.landbridge', Date.now());
  for (const values of [{}, { 'tls.crt': 'x', 'tls.key': 'y' }, { 'tls.crt': theirs.certificatePem, 'tls.key': makeRoot('west.landbridge', Date.now()).keyPem }]) {
    const secrets = new MemorySecretStore();
    await secrets.write(OWN_SECRET, values as Record<string, string>, undefined);
    t.like(await t.throwsAsync(open(secrets, ownRootSource(secrets))), { code: 'bad-ca' });
    t.deepEqual((await secrets.read(OWN_SECRET))?.values, values as Record<string, string>);
    t.is(told(secrets), undefined);
  }
});

test('a root of another trust domain is refused, and one without any is not of our own making', async (t) => {
  for (const [certificatePem, keyPem] of [[makeRoot('east.landbridge', Date.now())].map((made) => [made.certificatePem, made.keyPem] as const)[0] as readonly [string, string], [root.pem, root.keyPem]] as const) {
    const secrets = new MemorySecretStore();
    await secrets.write(OWN_SECRET, { 'tls.crt': certificatePem, 'tls.key': keyPem }, undefined);
    await t.throwsAsync(open(secrets, ownRootSource(secrets)), { code: 'bad-ca', message: /can not be renamed/ });
  }
});

test('an error of the API server is passed on', async (t) => {
  const secrets = Object.assign(new MemorySecretStore(), { read: async () => await Promise.reject(new LandbridgeError('kubernetes', 'away')) });
  t.like(await t.throwsAsync(open(secrets, ownRootSource(secrets))), { code: 'kubernetes' });
});

/** The same change of authorities, wherever they come from. */
async function changes(t: ExecutionContext, secrets: MemorySecretStore, source: CaSource, write: (values: Record<string, string>) => Promise<void>, layout: typeof istio): Promise<void> {
  await write(layout(first, [root]));
  const keeper = await open(secrets, source);
  let replaced = 0;
  using _listening = keeper.authority.onChange(() => replaced++);
  t.is(subject(keeper), 'first');
  await keeper.look();
  t.is(replaced, 0, 'nothing has changed');
  await write(layout(second, [root]));
  await keeper.look();
  t.deepEqual([subject(keeper), replaced, keeper.fault], ['second', 1, undefined]);
  // Nonsense in the place of what is in use.
  for (const bad of [{}, layout({ ...first, keyPem: second.keyPem }, [root]), layout(first, [otherRoot]), layout({ ...first, pem: first.pem.slice(0, 300) }, [root])]) {
    await write(bad);
    await keeper.look();
    t.deepEqual([subject(keeper), replaced], ['second', 1]);
    t.truthy(keeper.fault);
  }
  // Another root has to be told before it is needed.
  await write(layout(third, [otherRoot, root]));
  await keeper.look();
  t.is(subject(keeper), 'second');
  t.regex(keeper.fault ?? '', /under a root that agents do not have yet/);
  await write(layout(second, [root, otherRoot]));
  await keeper.look();
  t.is(told(secrets)?.split('BEGIN').length, 3);
  await write(layout(third, [otherRoot, root]));
  await keeper.look();
  t.deepEqual([subject(keeper), keeper.fault], ['third', undefined]);
  await write(layout(third, [otherRoot]));
  await keeper.look();
  t.is(told(secrets), otherRoot.pem);
}

for (const [name, layout] of [['Istio', istio], ['cert-manager', manager]] as const) {
  test(`a Secret as ${name} has it is followed while the service runs, and nonsense in it is not`, async (t) => {
    const secrets = new MemorySecretStore();
    await changes(t, secrets, secretSource(secrets, 'cacerts'), async (values) => await put(secrets, 'cacerts', values), layout);
  });

  test(`files as ${name} has them are followed too`, async (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'landbridge-ca-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const secrets = new MemorySecretStore();
    await changes(t, secrets, folderSource(folder), async (values) => {
      rmSync(folder, { recursive: true });
      mkdirSync(folder);
      for (const [file, text] of Object.entries({ ...values, 'readme.txt': 'not looked at' })) writeFileSync(path.join(folder, file), text);
    }, layout);
  });
}

test('while the API server is away everything stays as it is, and what could not be told is told later', async (t) => {
  const secrets = new MemorySecretStore();
  await put(secrets, 'cacerts', istio(first, [root]));
  let isAway = false;
  const flaky = {
    read: async (name: string) => (isAway ? await Promise.reject(new LandbridgeError('kubernetes', 'away')) : await secrets.read(name)),
    readConfigMap: async (name: string) => await secrets.readConfigMap(name),
    writeConfigMap: async (name: string, data: Readonly<Record<string, string>>) => (isAway ? await Promise.reject(new LandbridgeError('kubernetes', 'away')) : await secrets.writeConfigMap(name, data)),
  };
  const keeper = await AuthorityKeeper.open({ source: secretSource(flaky, 'cacerts'), secrets: flaky, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock, log });
  await put(secrets, 'cacerts', istio(first, [root, otherRoot]));
  isAway = true;
  await keeper.look();
  t.deepEqual([keeper.fault, keeper.authority.roots.length], [undefined, 1]);
  isAway = false;
  await keeper.look();
  t.is(told(secrets), keeper.authority.rootsPem);
  t.is(keeper.authority.roots.length, 2);
});

test('one that has expired gives way to any that has not', async (t) => {
  const secrets = new MemorySecretStore();
  let now = clock();
  await put(secrets, 'cacerts', istio(pluggedAuthority('short', root, { days: 1 }), [root]));
  const keeper = await open(secrets, secretSource(secrets, 'cacerts'), () => now);
  now += 2 * 86_400_000;
  await keeper.look();
  t.regex(keeper.fault ?? '', /is valid only from/);
  await put(secrets, 'cacerts', istio(third, [otherRoot]));
  await keeper.look();
  t.deepEqual([subject(keeper), keeper.fault], ['third', undefined]);
});

test('of several replicas one tells the roots: what it finds told it does not write again, and what is told wrong it does', async (t) => {
  let writes = 0;
  const secrets = new MemorySecretStore();
  const counted = Object.assign(Object.create(secrets) as MemorySecretStore, {
    read: async (name: string) => await secrets.read(name),
    write: async (...args: Parameters<MemorySecretStore['write']>) => await secrets.write(...args),
    readConfigMap: async (name: string) => await secrets.readConfigMap(name),
    writeConfigMap: async (name: string, data: Readonly<Record<string, string>>) => {
      writes += 1;
      await secrets.writeConfigMap(name, data);
    },
  });
  const leaderships = [new ExampleLeadership(), new ExampleLeadership()] as const;
  const [a, b] = await Promise.all(leaderships.map(async (leadership) => await AuthorityKeeper.open({ source: ownRootSource(counted), secrets: counted, leadership, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock, log }))) as [AuthorityKeeper, AuthorityKeeper];
  t.is(a.authority.rootsPem, b.authority.rootsPem, 'one root, whoever was first');
  t.is(writes, 0);
  const stop = new AbortController();
  const running = [a, b].map(async (keeper) => await keeper.run(stop.signal));
  leaderships[0].set(true);
  await until('the roots to be told', () => writes === 1);
  t.is(told(secrets), a.authority.rootsPem);
  leaderships[0].set(false);
  leaderships[1].set(true);
  await b.look();
  t.is(writes, 1);
  leaderships[1].set(false);
  await secrets.writeConfigMap(ROOT_CONFIG_MAP, { 'root-cert.pem': 'of somebody else' });
  leaderships[0].set(true);
  await until('the roots to be told again', () => writes === 2);
  t.is(told(secrets), a.authority.rootsPem);
  stop.abort();
  await Promise.all(running);
});
