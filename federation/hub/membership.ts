import { createPrivateKey } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { RecordBody } from '@landbridge/core/records.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import type { BusState } from '../bus/bus.ts';
import { openNatsBus, type NatsBus } from '../bus/nats-bus.ts';
import { type CreatedToken, JoinAuthority, type TokenRequest } from '../join/authority.ts';
import { type HubAuthority, type HubCredentials, parseHubAuthority, parseHubCredentials } from '../join/credentials.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { alreadyJoined } from '../join/join-errors.ts';
import type { JoinKeys } from '../join/join-keys.ts';
import { joinWithToken } from '../join/redeem.ts';
import { serveRedeem } from '../join/redeem-service.ts';
import type { TokenStore } from '../join/token-store.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { keepMembers } from '../records/member-keeper.ts';
import type { Member } from '../records/members.ts';
import { type ClusterView, emptyPeers, type PeerState, reducePeers, views } from '../records/peer-table.ts';
import { Publisher } from '../records/publisher.ts';
import { KeptJoinKeys } from './kept-join-keys.ts';

const AUTHORITY_SECRET = 'landbridge-hub-authority';
const CREDENTIALS_SECRET = 'landbridge-hub-credentials';
/** How often a cluster without a hub looks whether it was given one. */
const SECRET_POLL_MS = 1000;

export interface MembershipOptions {
  readonly cluster: string;
  readonly trustDomain: string;
  readonly network: string;
  /** DER, of this moment. */
  readonly roots: () => readonly Buffer[];
  readonly secrets: SecretStore;
  readonly tokens: TokenStore;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
  /** Called after each change of what peers say or of the connection. */
  readonly onChange: () => void;
}

interface Session {
  readonly bus: NatsBus;
  readonly publisher: Publisher;
  readonly authority: JoinAuthority | undefined;
  peers: PeerState;
  /** Whether everything that was on the bus at the start was read. */
  listed: boolean;
}

/** This cluster's place in the clusterset: alone, the founder, or a member. Follows what the others say and says its own. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #joinKeys: KeptJoinKeys;
  #session: Session | undefined;
  #records: ReadonlyMap<string, RecordBody> | undefined;
  /** Whether Secrets were read once, so that "no hub" is known and not only not found yet. */
  #looked = false;
  #joined = Promise.withResolvers<void>();

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#joinKeys = new KeptJoinKeys(options.secrets);
  }

  /** Views of all members, this cluster among them. */
  views(): ReadonlyMap<string, ClusterView> {
    return this.#session === undefined ? new Map() : views(this.#session.peers);
  }

  members(): readonly Member[] {
    return [...(this.#session?.peers.members.values() ?? [])].map(({ member }) => member);
  }

  get isAuthority(): boolean {
    return this.#session?.authority !== undefined;
  }

  /** `none` before a cluster has joined. */
  hubState(): BusState | { readonly kind: 'none' } {
    return this.#session?.bus.state() ?? { kind: 'none' };
  }

  /** Whether what a cluster no longer says may be believed to be gone: its whole snapshot was read, or the authority revoked it. */
  isComplete(cluster: string): boolean {
    const view = this.views().get(cluster);
    return view?.complete === true || this.members().some((member) => member.cluster === cluster && member.revoked);
  }

  /** Whether every member is known. */
  get allListed(): boolean {
    if (this.#session === undefined) return this.#looked;
    // A bus that lost everything lists nobody: without this cluster's own record it is not believed.
    return this.#session.listed && this.views().has(this.#options.cluster);
  }

  /** Whether every member is known and complete. */
  get allComplete(): boolean {
    return this.allListed && [...this.views().values()].every(({ cluster, complete }) => complete || cluster === this.#options.cluster);
  }

  publish(records: ReadonlyMap<string, RecordBody>): void {
    this.#records = records;
    this.#session?.publisher.publish(records);
  }

  publishedRecords(): number {
    return this.#session?.publisher.status().published ?? 0;
  }

  /** @throws LandbridgeError `not-authority` */
  async createToken(request: TokenRequest, signal: AbortSignal): Promise<CreatedToken> {
    const authority = this.#session?.authority;
    if (authority === undefined) {
      throw new LandbridgeError('not-authority', `cluster ${this.#options.cluster} can not admit others: it holds no hub authority`, { hint: 'Create the token in the cluster that has the Secret landbridge-hub-authority.' });
    }
    return await authority.createToken(request, signal);
  }

  /** @throws LandbridgeError `already-joined`, and everything that joinWithToken throws */
  async join(token: string, signal: AbortSignal): Promise<readonly string[]> {
    const { cluster, trustDomain, network, roots, secrets, clock } = this.#options;
    const known = await secrets.read(CREDENTIALS_SECRET);
    if (known !== undefined || this.#session !== undefined) {
      throw alreadyJoined(cluster);
    }
    const keys = async (authorityPublicKey: string): Promise<JoinKeys> => await this.#joinKeys.keysFor(authorityPublicKey);
    const { credentials, members } = await joinWithToken({ token, keys, cluster, trustDomain, roots: roots().map((root) => root.toString('base64')), network, signal, clock }).catch(async (thrown: unknown) => {
      // A key that was revoked between two attempts can not come back, and a new one may.
      if (thrown instanceof LandbridgeError && thrown.code === 'member-revoked') await this.#forgetJoinKeys();
      throw thrown;
    });
    // From here on the keys are in the credentials; whoever follows them forgets the others.
    await secrets.write(CREDENTIALS_SECRET, { 'credentials.json': JSON.stringify(credentials) }, undefined);
    this.#joined.resolve();
    return members.map((member) => member.cluster);
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const found = await this.#findCredentials();
        this.#looked = true;
        if (found === undefined) {
          this.#options.onChange();
          await Promise.race([delay(SECRET_POLL_MS, undefined, { signal }), this.#joined.promise]);
          this.#joined = Promise.withResolvers();
          continue;
        }
        await this.#forgetJoinKeys();
        await this.#follow(found.credentials, found.authority, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        const waitMs = retryDelay(failures++);
        const error = LandbridgeError.from(thrown);
        log.warn({ scope: 'membership', code: error.code, error: error.message, hint: error.hint, retry_ms: Math.round(waitMs) }, 'the hub can not be followed');
        await waitFor(waitMs, signal);
      }
    }
  }

  /** What is left of them is tidied up another time. */
  async #forgetJoinKeys(): Promise<void> {
    try {
      await this.#joinKeys.forget();
    } catch (thrown) {
      const { code, message } = LandbridgeError.from(thrown);
      this.#options.log.warn({ scope: 'membership', code, error: message }, 'the keys of the join could not be forgotten');
    }
  }

  async #findCredentials(): Promise<{ readonly credentials: HubCredentials; readonly authority: HubAuthority | undefined } | undefined> {
    const { secrets, cluster } = this.#options;
    const [authoritySecret, credentialsSecret] = await Promise.all([secrets.read(AUTHORITY_SECRET), secrets.read(CREDENTIALS_SECRET)]);
    const authority = authoritySecret === undefined ? undefined : orThrow(AUTHORITY_SECRET, parseHubAuthority(authoritySecret.values['hub.json'] ?? ''));
    if (credentialsSecret !== undefined) {
      const credentials = orThrow(CREDENTIALS_SECRET, parseHubCredentials(credentialsSecret.values['credentials.json'] ?? ''));
      if (credentials.cluster !== cluster) {
        throw new LandbridgeError('bad-credentials', `the Secret ${CREDENTIALS_SECRET} is of cluster ${credentials.cluster}, this one is called ${cluster}`, { hint: 'A cluster can not be renamed after it joined: set cluster.name back.' });
      }
      return { credentials, authority };
    }
    if (authority === undefined) return undefined;
    const credentials = await makeFounderCredentials(authority, cluster);
    await secrets.write(CREDENTIALS_SECRET, { 'credentials.json': JSON.stringify(credentials) }, undefined);
    return { credentials, authority };
  }

  async #follow(credentials: HubCredentials, hubAuthority: HubAuthority | undefined, outer: AbortSignal): Promise<void> {
    const { cluster, clock, log, tokens, onChange, trustDomain, network, roots } = this.#options;
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    await using bus = await openNatsBus({ credentials, createBucket: hubAuthority !== undefined, clusterName: cluster, log: log.child({ scope: 'bus' }), signal });
    const publisher = new Publisher(bus, { cluster, privateKey: createPrivateKey(credentials.recordPrivateKeyPem), log: log.child({ scope: 'publisher' }), clock });
    const members = (): ReadonlyMap<string, Member> => new Map([...session.peers.members].map(([name, { member }]) => [name, member]));
    const authority = hubAuthority === undefined ? undefined : new JoinAuthority({ authority: hubAuthority, store: tokens, bus, members, clock, log: log.child({ scope: 'join' }) });
    const session: Session = { bus, publisher, authority, peers: emptyPeers(credentials.authorityPublicKey), listed: false };
    this.#session = session;
    if (this.#records !== undefined) publisher.publish(this.#records);
    const admit = async (): Promise<void> => {
      await authority?.admitFounder({ credentials, trustDomain, network, roots: roots().map((root) => root.toString('base64')) }, signal);
    };
    const watch = async (): Promise<void> => {
      for await (const event of bus.watch('>', signal)) {
        const before = session.peers;
        session.peers = reducePeers(session.peers, event, clock());
        if (event.kind === 'current') session.listed = true;
        if (session.peers !== before || event.kind === 'current') onChange();
      }
    };
    const serve = async (): Promise<void> => {
      if (authority === undefined) return;
      while (!signal.aborted) await serveRedeem(await bus.connection(signal), authority, signal);
    };
    const keep = async (): Promise<void> => {
      if (authority !== undefined) await keepMembers(bus, { authorityPublicKey: credentials.authorityPublicKey, log: log.child({ scope: 'members' }) }, signal);
    };
    try {
      await Promise.all([watch(), publisher.run(signal), admit(), serve(), keep()]);
    } finally {
      stop.abort();
    }
  }
}

function orThrow<T>(secret: string, result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: string }): T {
  if (result.ok) return result.value;
  throw new LandbridgeError('bad-credentials', `the Secret ${secret} can not be used: ${result.error}`, { hint: secret === AUTHORITY_SECRET ? 'Make it with landbridge hub init.' : 'Delete it and join again.' });
}
