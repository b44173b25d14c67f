/** What a hub's configuration must have, and what must not be in it. Pure. */
import { isIP } from 'node:net';
import { HUB_DOMAIN } from '@landbridge/federation/join/hub-users.ts';
import { decode, type Account } from '@nats-io/jwt';
import type { CheckResult } from '../checks.ts';
import { judgeServerVersion } from './server-version.ts';
import type { ConfigBlock, ConfigFile, ConfigValue } from './nats-config-file.ts';

const MAX_SYNC_SECONDS = 60;

const ok = (id: string, message: string): CheckResult => ({ id, state: 'ok', message });
const failed = (id: string, message: string, hint: string): CheckResult => ({ id, state: 'failed', message, hint });

/** @param version as the server says it; undefined where it was not asked */
export function lintHub({ root, includes }: ConfigFile, version: string | undefined): CheckResult[] {
  return [
    judgeServerVersion(version),
    judgeIncludes(includes),
    judgeUsers(root),
    judgePermissions(root),
    judgeTls(root),
    judgeDoors(root),
    judgeMonitoring(root),
    judgeStorage(root),
    judgeResolver(root),
    judgeLeaves(root),
    judgeAccounts(root),
  ];
}

function judgeIncludes(includes: readonly string[]): CheckResult {
  const id = 'hub-config-whole';
  return includes.length === 0 ? ok(id, 'All of the configuration is in this file.') : failed(id, `Of ${includes.map((name) => JSON.stringify(name)).join(', ')}, which are included, nothing was looked at.`, 'Put it all into one file, or look at those too.');
}

function judgeUsers(root: ConfigBlock): CheckResult {
  const id = 'hub-no-strangers';
  if (find(root, 'no_auth_user') !== undefined) return failed(id, 'Whoever shows no credentials is let in as a user (no_auth_user).', 'Remove no_auth_user.');
  if (typeof root['operator'] !== 'string' && !Array.isArray(root['operator'])) return failed(id, 'There is no operator: users are not known by JWTs that the founder signs.', 'Use the configuration that landbridge hub init writes.');
  return ok(id, 'Nobody gets in without a JWT.');
}

function judgePermissions(root: ConfigBlock): CheckResult {
  const id = 'hub-allow-lists';
  const places = [...blocks(root)].filter(([, block]) => isDenyOnly(block)).map(([path]) => path);
  for (const [account, jwt] of Object.entries(asBlock(root['resolver_preload']))) {
    const { pub, sub } = defaultPermissions(jwt);
    if ([pub, sub].some((permission) => permission?.deny !== undefined && permission.deny.length > 0 && (permission.allow ?? []).length === 0)) places.push(`the account ${account}`);
  }
  return places.length === 0 ? ok(id, 'No permissions are made of prohibitions alone.') : failed(id, `Permissions say only what is forbidden, in ${places.slice(0, 3).join(', ')}: there were ways around such lists.`, 'Say what is allowed instead.');
}

function judgeTls(root: ConfigBlock): CheckResult {
  const id = 'hub-tls';
  const clients = asBlock(root['tls']);
  if (clients['cert_file'] === undefined) return failed(id, 'Clients connect without TLS.', 'Use the block tls that landbridge hub init writes.');
  for (const name of ['cluster', 'gateway', 'leafnodes']) {
    const block = asBlock(root[name]);
    if (root[name] === undefined) continue;
    if (asBlock(block['tls'])['cert_file'] === undefined) return failed(id, `${name} has no TLS.`, `Give ${name} a block tls with cert_file and key_file, as landbridge hub init writes it.`);
    // Leaf nodes show a JWT, as clients do.
    if (name !== 'leafnodes' && !isTrue(asBlock(block['tls'])['verify'])) return failed(id, `${name} asks servers for no certificate.`, `Set verify: true in the block tls of ${name}.`);
  }
  return ok(id, 'Clients are served by TLS, and other servers have to show a certificate.');
}

function judgeDoors(root: ConfigBlock): CheckResult {
  const id = 'hub-doors';
  const open = ['websocket', 'mqtt'].filter((name) => root[name] !== undefined);
  return open.length === 0 ? ok(id, 'There is no way in but for clients of NATS.') : failed(id, `${open.join(' and ')} ${open.length === 1 ? 'is' : 'are'} open, which nothing of Landbridge uses.`, 'Remove them.');
}

function judgeMonitoring(root: ConfigBlock): CheckResult {
  const id = 'hub-monitoring';
  const places = ['http', 'https', 'http_port', 'https_port', 'monitor_port', 'prof_port', 'profiler'].filter((name) => root[name] !== undefined);
  const host = typeof root['host'] === 'string' ? root['host'] : typeof root['net'] === 'string' ? root['net'] : '';
  const open = places.filter((name) => !isLoopback(hostOf(root[name], host)));
  return open.length === 0 ? ok(id, places.length === 0 ? 'The monitoring port is closed.' : 'Monitoring answers on loopback only.') : failed(id, `${open.join(', ')}: whoever reaches the port sees accounts and connections, without a password.`, 'Write http: "127.0.0.1:8222", or nothing.');
}

function judgeStorage(root: ConfigBlock): CheckResult {
  const id = 'hub-sync-interval';
  const interval = asBlock(root['jetstream'])['sync_interval'];
  const seconds = typeof interval === 'string' ? durationSeconds(interval) : undefined;
  if (seconds !== undefined && seconds <= MAX_SYNC_SECONDS) return ok(id, 'What is written reaches the disk within a minute.');
  return failed(id, `What is written reaches the disk after ${interval === undefined ? '2 minutes' : `sync_interval ${JSON.stringify(interval)}`}: a power cut loses that much, and clusters write all of it again.`, 'Set sync_interval: "10s" in the block jetstream.');
}

function judgeResolver(root: ConfigBlock): CheckResult {
  const id = 'hub-resolver';
  const type = asBlock(root['resolver'])['type'];
  return typeof type === 'string' && type.toLowerCase() === 'full' ? ok(id, 'The founder can tell the hub whom it must not let in.') : failed(id, 'The hub can not be told that a member was revoked: accounts are not in a folder (resolver of type full).', 'Use the block resolver that landbridge hub init writes.');
}

/** Streams of a hub without a domain have no name that a leaf node, which has streams of its own, could call them by. */
function judgeLeaves(root: ConfigBlock): CheckResult {
  const id = 'hub-leaf-nodes';
  const leaves = asBlock(root['leafnodes']);
  if (root['leafnodes'] === undefined) return ok(id, 'No leaf node can connect.');
  if (leaves['remotes'] !== undefined) return failed(id, 'The hub is itself a leaf node of another server (remotes): that one reads what it may.', 'Remove remotes.');
  if (leaves['authorization'] !== undefined) return failed(id, 'leafnodes has users of its own, whom no JWT bounds (authorization).', 'Remove authorization.');
  const domain = asBlock(root['jetstream'])['domain'];
  return domain === HUB_DOMAIN ? ok(id, 'Leaf nodes of clusters find the streams.') : failed(id, `Leaf nodes look for streams in the domain ${HUB_DOMAIN}, which is ${domain === undefined ? 'none' : 'not that'} of this hub.`, `Set domain: ${HUB_DOMAIN} in the block jetstream, of all servers.`);
}

/** Each federation is an account, and what one account tells another is told to members of another federation. */
function judgeAccounts(root: ConfigBlock): CheckResult {
  const id = 'hub-federations-apart';
  if (root['accounts'] !== undefined) return failed(id, 'Accounts are in the configuration itself, where no operator signs them (accounts).', 'Remove accounts; landbridge hub add-federation makes one for each federation.');
  const jwts = Object.entries(asBlock(root['resolver_preload']));
  const open = jwts.filter(([, jwt]) => sharesSubjects(jwt)).map(([account]) => account);
  return open.length === 0 ? ok(id, 'No account here tells another one anything.') : failed(id, `The account ${open.slice(0, 3).join(', ')} exports or imports subjects of others.`, 'Use accounts as landbridge hub init and add-federation make them.');
}

/** Every block with its path, the root first. */
function* blocks(value: ConfigValue, path = ''): Generator<readonly [string, ConfigBlock]> {
  if (typeof value === 'string') return;
  if (isList(value)) {
    for (const item of value) yield* blocks(item, path);
    return;
  }
  yield [path, value];
  for (const [name, member] of Object.entries(value)) yield* blocks(member, path === '' ? name : `${path}.${name}`);
}

function find(root: ConfigBlock, name: string): ConfigValue | undefined {
  for (const [, block] of blocks(root)) if (block[name] !== undefined) return block[name];
  return undefined;
}

const isDenyOnly = (block: ConfigBlock): boolean => block['deny'] !== undefined && block['allow'] === undefined;
const isList = (value: ConfigValue): value is readonly ConfigValue[] => Array.isArray(value);
const asBlock = (value: ConfigValue | undefined): ConfigBlock => (value === undefined || typeof value === 'string' || isList(value) ? {} : value);
const isTrue = (value: ConfigValue | undefined): boolean => typeof value === 'string' && ['true', 'yes', 'on'].includes(value.toLowerCase());

function sharesSubjects(jwt: ConfigValue): boolean {
  const { imports = [], exports = [] } = parseAccount(jwt);
  return imports.length > 0 || exports.length > 0;
}

const defaultPermissions = (jwt: ConfigValue): NonNullable<Account['default_permissions']> => parseAccount(jwt).default_permissions ?? {};

function parseAccount(jwt: ConfigValue): Partial<Account> {
  try {
    return (typeof jwt === 'string' ? decode<Account>(jwt).nats : undefined) ?? {};
  } catch {
    // What is no JWT the server refuses by itself.
    return {};
  }
}

/** `127.0.0.1:8222`, `:8222`, `8222`; without a host that of the server. */
function hostOf(value: ConfigValue | undefined, serverHost: string): string {
  const text = typeof value === 'string' ? value : '';
  const colon = text.lastIndexOf(':');
  return (colon > 0 ? text.slice(0, colon) : serverHost).replace(/^\[|\]$/g, '');
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));

/** Such as `always`, `10s`, `2m`; undefined for what is none. */
function durationSeconds(text: string): number | undefined {
  if (text === 'always') return 0;
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? [];
  const factor = { ms: 0.001, s: 1, m: 60, h: 3600 }[unit as 'ms' | 's' | 'm' | 'h'];
  return amount === undefined || factor === undefined ? undefined : Number(amount) * factor;
}
