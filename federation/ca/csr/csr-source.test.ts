import test from 'ava';
import { pino } from 'pino';
import { MemorySecretStore } from '../../kubernetes/memory-secret-store.ts';
import { AuthorityKeeper, ROOT_CONFIG_MAP } from '../authority-keeper.ts';
import { pluggedAuthority } from '../example-plugged.ts';
import { csrSource } from './csr-source.ts';

const log = pino({ level: 'silent' });
const clock = (): number => Date.now() + 60_000;
const [first, second] = [pluggedAuthority('first', undefined), pluggedAuthority('second', undefined, { days: 3 })];
const below = pluggedAuthority('below', first);

/** A keeper over a ConfigMap that others write. */
async function open(roots: string): Promise<{ readonly keeper: AuthorityKeeper; readonly put: (roots: string, key?: string) => Promise<void>; readonly told: () => string | undefined }> {
  const secrets = new MemorySecretStore();
  const put = async (pem: string, key = 'trust.pem'): Promise<void> => await secrets.writeConfigMap('mesh-roots', { [key]: pem });
  await put(roots);
  const source = csrSource({ requests: { sign: async () => await Promise.reject(new Error('asked')) }, signerName: 'example.com/mesh', configMaps: secrets, configMap: 'mesh-roots', key: 'trust.pem', clock });
  const keeper = await AuthorityKeeper.open({ source, secrets, demand: { trustDomain: 'west.landbridge', dnsNames: [] }, clock, log });
  return { keeper, put, told: () => secrets.configMap(ROOT_CONFIG_MAP)?.['root-cert.pem'] };
}

test('roots are told to agents, and another root after it was told beside the one before', async (t) => {
  const { keeper, put, told } = await open(first.pem);
  t.is(told(), first.pem);
  t.like(keeper.status(), { place: 'ConfigMap mesh-roots', subject: 'signer example.com/mesh' });
  await put(second.pem);
  await keeper.look();
  t.regex(keeper.fault ?? '', /under a root that agents do not have yet/);
  t.is(told(), first.pem);
  await put(first.pem + second.pem);
  await keeper.look();
  t.deepEqual([keeper.fault, told()], [undefined, first.pem + second.pem]);
  await put(second.pem);
  await keeper.look();
  t.deepEqual([keeper.fault, told(), keeper.authority.roots.length], [undefined, second.pem, 1]);
});

test('until something is signed, the authority ends with the last of its roots', async (t) => {
  const { keeper } = await open(second.pem + first.pem);
  const end = keeper.status().notAfter;
  t.is(end, Math.max(...keeper.status().roots.map(({ notAfter }) => notAfter)));
});

test('what is no list of roots never takes the place of one', async (t) => {
  for (const [pem, key, reason] of [['', 'trust.pem', /no root that is still valid/], [first.pem, 'ca.crt', /has no trust\.pem/], [below.pem, 'trust.pem', /is no root/], ['x', 'trust.pem', /no certificate in it/]] as const) {
    const { keeper, put, told } = await open(first.pem);
    await put(pem, key);
    await keeper.look();
    t.regex(keeper.fault ?? '', reason);
    t.is(told(), first.pem);
    await t.throwsAsync(open(pem === first.pem ? '' : pem), { code: 'bad-ca' });
  }
});
