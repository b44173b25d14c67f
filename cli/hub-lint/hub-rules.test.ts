import { type Account, encodeAccount } from '@nats-io/jwt';
import { createAccount, createOperator } from '@nats-io/nkeys';
import test from 'ava';
import { natsConfig } from '../nats-config.ts';
import { lintHub } from './hub-rules.ts';
import { parseNatsConfig } from './nats-config-file.ts';

const PLAN = { port: 4222, storeDirectory: '/srv/j', accountsDirectory: '/srv/a', certificateFile: '/srv/c', keyFile: '/srv/k', operatorJwt: 'a.b.c', systemAccount: 'ASYS', accounts: new Map<string, string>() };
const GOOD = natsConfig(PLAN);

function failing(text: string, version: string | undefined = '2.14.3'): string[] {
  const parsed = parseNatsConfig(text);
  if (!parsed.ok) throw new Error(parsed.error);
  const results = lintHub(parsed.value, version);
  for (const { state, hint, message } of results) if (state === 'failed' && !hint) throw new Error(`${message} has no hint`);
  return results.filter(({ state }) => state === 'failed').map(({ id }) => id);
}

test('what landbridge hub init writes has no fault, with a door for leaf nodes too', (t) => {
  t.deepEqual(failing(GOOD), []);
  t.deepEqual(failing(natsConfig({ ...PLAN, leafPort: 7422 })), []);
});

test('each fault is found by its own rule', (t) => {
  const without = (pattern: RegExp): string => {
    const changed = GOOD.replace(pattern, '');
    t.not(changed, GOOD, String(pattern));
    return changed;
  };
  t.deepEqual(failing(`${GOOD}\nno_auth_user: guest`), ['hub-no-strangers']);
  t.deepEqual(failing(without(/^operator: .*$/m)), ['hub-no-strangers']);
  t.deepEqual(failing(`${GOOD}\nauthorization { users: [ {user: a, permissions: {subscribe: {deny: ["secret.>"]}}} ] }`), ['hub-allow-lists']);
  t.deepEqual(failing(`${GOOD}\nauthorization { users: [ {user: a, permissions: {subscribe: {allow: ["x"], deny: ["x.y"]}}} ] }`), []);
  t.deepEqual(failing(without(/^ *cert_file.*$/m)), ['hub-tls']);
  t.deepEqual(failing(`${GOOD}\ncluster { listen: 0.0.0.0:6222 }`), ['hub-tls']);
  t.deepEqual(failing(`${GOOD}\nleafnodes { port: 7422 }`), ['hub-tls']);
  // They show a JWT, and clusters have no certificate that they could show.
  t.deepEqual(failing(`${GOOD}\nleafnodes { tls { cert_file: a, key_file: b } }`), []);
  t.deepEqual(failing(`${GOOD}\nleafnodes { tls { cert_file: a, key_file: b }, remotes: [] }`), ['hub-leaf-nodes']);
  t.deepEqual(failing(`${GOOD}\nleafnodes { tls { cert_file: a, key_file: b }, authorization { user: a, password: b } }`), ['hub-leaf-nodes']);
  t.deepEqual(failing(`${without(/^ *domain.*$/m)}\nleafnodes { tls { cert_file: a, key_file: b } }`), ['hub-leaf-nodes']);
  t.deepEqual(failing(GOOD.replace(/domain: hub/, 'domain: other').concat('\nleafnodes { tls { cert_file: a, key_file: b } }')), ['hub-leaf-nodes']);
  t.deepEqual(failing(`${GOOD}\nwebsocket { port: 443 }`), ['hub-doors']);
  for (const open of ['http: 8222', 'http_port: 8222', 'http: "0.0.0.0:8222"', 'https: 10.0.0.1:1', 'prof_port: 65432', 'http: :8222']) t.deepEqual(failing(`${GOOD}\n${open}`), ['hub-monitoring'], open);
  for (const closed of ['http: "127.0.0.1:8222"', 'http: localhost:8222', 'https: "[::1]:8222"']) t.deepEqual(failing(`${GOOD}\n${closed}`), [], closed);
  t.deepEqual(failing(without(/^ *sync_interval.*$/m)), ['hub-sync-interval']);
  t.deepEqual(failing(GOOD.replace(/sync_interval: .*/, 'sync_interval: 2m')), ['hub-sync-interval']);
  t.deepEqual(failing(GOOD.replace(/sync_interval: .*/, 'sync_interval: always')), []);
  t.deepEqual(failing(GOOD.replace(/type: full/, 'type: cache')), ['hub-resolver']);
  t.deepEqual(failing(`${GOOD}\ninclude ./more.conf`), ['hub-config-whole']);
});

test('accounts that share subjects are found, and those of several federations are not', async (t) => {
  const operator = createOperator();
  const withAccount = async (account: Partial<Account>): Promise<string> => {
    const key = createAccount().getPublicKey();
    return natsConfig({ ...PLAN, accounts: new Map([[key, await encodeAccount('landbridge', key, account, { signer: operator })]]) });
  };
  t.deepEqual(failing(await withAccount({})), []);
  t.deepEqual(failing(await withAccount({ exports: [{ name: 'all', subject: '$KV.fed.>', type: 1 }] } as unknown as Partial<Account>)), ['hub-federations-apart']);
  t.deepEqual(failing(`${GOOD}\naccounts { A { users: [] } }`), ['hub-federations-apart']);
});

test('servers with known faults are named, newer ones are not', (t) => {
  for (const old of ['2.9.10', '2.12.12', '2.14.2', 'v2.14.2', '1.99.99']) t.deepEqual(failing(GOOD, old), ['hub-version'], old);
  for (const fine of ['2.14.3', 'v2.14.3', '2.15.0', '3.0.0', '2.14.10-RC.1']) t.deepEqual(failing(GOOD, fine), [], fine);
  const parsed = parseNatsConfig(GOOD);
  for (const unknown of [undefined, 'new']) t.is(parsed.ok && lintHub(parsed.value, unknown).find(({ id }) => id === 'hub-version')?.state, 'unknown');
});
