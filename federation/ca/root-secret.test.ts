import { LandbridgeError } from '@landbridge/core/errors.ts';
import test from 'ava';
import type { SecretStore, StoredSecret } from '../kubernetes/secret-store.ts';
import { makeRoot } from './authority.ts';
import { loadAuthority } from './root-secret.ts';

type Values = Readonly<Record<string, string>>;

/** Secrets and ConfigMaps in memory. `race` is written by somebody else just before the first write. */
function makeStore(secrets = new Map<string, Values>(), race?: Values): { readonly store: SecretStore; readonly secrets: Map<string, Values>; readonly configMaps: Map<string, Values> } {
  const configMaps = new Map<string, Values>();
  let rival = race;
  const store: Pick<SecretStore, 'read' | 'write' | 'writeConfigMap'> = {
    read: async (name): Promise<StoredSecret | undefined> => {
      const values = secrets.get(name);
      return values === undefined ? undefined : { values, resourceVersion: '1' };
    },
    write: async (name, values) => {
      if (rival !== undefined) secrets.set(name, rival);
      rival = undefined;
      if (secrets.has(name)) throw new LandbridgeError('conflict', 'written by somebody else');
      secrets.set(name, values);
    },
    writeConfigMap: async (name, values) => void configMaps.set(name, values),
  };
  return { store: store as SecretStore, secrets, configMaps };
}

const now = Date.now();

test('a root is made once, kept, and told to agents', async (t) => {
  const { store, secrets, configMaps } = makeStore();
  const first = await loadAuthority(store, 'west.landbridge', now);
  const again = await loadAuthority(store, 'west.landbridge', now + 1000);
  t.is(again.rootPem, first.rootPem);
  t.is(secrets.get('landbridge-ca')?.['tls.crt'], first.rootPem);
  t.deepEqual(configMaps.get('landbridge-ca-root'), { 'root-cert.pem': first.rootPem }, 'the key stays in the Secret');
});

test('who comes second takes the root of who came first', async (t) => {
  const theirs = makeRoot('west.landbridge', now);
  const { store } = makeStore(undefined, { 'tls.crt': theirs.certificatePem, 'tls.key': theirs.keyPem });
  t.is((await loadAuthority(store, 'west.landbridge', now)).rootPem, theirs.certificatePem);
});

test('a Secret that is of no use is not replaced, and agents are told nothing', async (t) => {
  for (const values of [{}, { 'tls.crt': 'x', 'tls.key': 'y' }]) {
    const { store, secrets, configMaps } = makeStore(new Map([['landbridge-ca', values]]));
    t.like(await t.throwsAsync(loadAuthority(store, 'west.landbridge', now)), { code: 'bad-ca' });
    t.is(secrets.get('landbridge-ca'), values as Values);
    t.is(configMaps.size, 0);
  }
});

test('an error of the API server is passed on', async (t) => {
  const { store } = makeStore();
  const failing = Object.assign(store, { write: async () => await Promise.reject(new LandbridgeError('kubernetes', 'away')) });
  t.like(await t.throwsAsync(loadAuthority(failing, 'west.landbridge', now)), { code: 'kubernetes' });
});
