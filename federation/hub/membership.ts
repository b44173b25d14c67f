/** Long because all that runs while a cluster is a member begins and ends together here; each part of it is elsewhere. */
import { createPrivateKey } from 'node:crypto';
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { RecordBody } from '@landbridge/core/records.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import type { Logger } from 'pino';
import { natsBeatChannel } from '../bus/beat-channel.ts';
import { type BusEvent, type BusState, busKey, MEMBERS, splitBusKey } from '../bus/bus.ts';
import type { Publication } from '../conditions/export-conditions.ts';
import { openNatsBus, type NatsBus } from '../bus/nats-bus.ts';
import type { Throttled } from '../consent/origin-throttle.ts';
import { ThrottledIntake } from '../consent/throttled-intake.ts';
import { type CreatedToken, JoinAuthority, type TokenRequest } from '../join/authority.ts';
import type { HubAuthority } from '../join/credentials.ts';
import { makeFounderCredentials } from '../join/founder-credentials.ts';
import { alreadyJoined, founderStays } from '../join/join-errors.ts';
import type { JoinKeys } from '../join/join-keys.ts';
import type { JoinPreview } from '../join/join-preview.ts';
import { joinWithToken, previewWithToken } from '../join/redeem.ts';
import { LeafNode, type LeafStatus } from '../leaf/leaf-node.ts';
import type { LeafPlace } from '../leaf/leaf-secret.ts';
import { MEMBER_REQUESTS, REDEEM_SUBJECT, senderOf } from '../join/hub-users.ts';
import type { SignedMember } from '../join/member-list.ts';
import { memberService } from '../join/member-service.ts';
import { serveRequests } from '../join/request-service.ts';
import type { TokenStore } from '../join/token-store.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { ALONE, type Leadership, whileLeading } from '../leadership/leadership.ts';
import { DEFAULT_TIMES, type PeerTimes } from '../peers/peer-times.ts';
import { PeerWatch } from '../peers/peer-watch.ts';
import type { StalePolicy } from '../peers/standing.ts';
import { clustersetId } from '../properties/cluster-properties.ts';
import { EntryQueue } from '../records/entry-queue.ts';
import { isWhole } from '../records/cluster-view.ts';
import type { KnownClusters } from '../records/known-clusters.ts';
import { keepMembers } from '../records/member-keeper.ts';
import type { Member } from '../records/members.ts';
import { type ClusterView, emptyPeers, type PeerState, reducePeers, views } from '../records/peer-table.ts';
import { HubConfirmations } from '../records/hub-confirmations.ts';
import { Publisher } from '../records/publisher.ts';
import { keepHubAccount } from '../removal/account-keeper.ts';
import { announceRemoval, type HubTold } from '../removal/announce-removal.ts';
import { revokedUsers } from '../removal/revoked-users.ts';
import { RemovalKeeper } from '../removal/removal-keeper.ts';
import { RemovedMembers } from '../removal/removed-members.ts';
import { CredentialsKeeper } from './credentials-keeper.ts';
import { CredentialsSecret, type KeptCredentials } from './kept-credentials.ts';
import { readHubAuthority } from './hub-authority-secret.ts';
import { KeptJoinKeys } from './kept-join-keys.ts';
import { TokenSecretJoin } from './token-secret-join.ts';
import { type ChangeOutcome, WishedChanges } from './wished-changes.ts';

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
  /** All replicas read; one writes records, and admits clusters. */
  readonly leadership?: Leadership;
  /** Of the JWTs that a founder issues, in seconds; a day. */
  readonly userLifeSeconds?: number;
  /** Name of a Secret with a token to join by while this cluster is no member. */
  readonly tokenSecret?: string;
  /** Where the cluster's leaf node is; undefined where it has none. */
  readonly leaf?: LeafPlace;
  readonly peers?: { readonly times: PeerTimes; readonly stalePolicy: StalePolicy };
}

interface Session {
  readonly bus: NatsBus;
  readonly publisher: Publisher;
  readonly authority: { readonly join: JoinAuthority; readonly keys: HubAuthority } | undefined;
  readonly removals: RemovalKeeper;
  readonly keeper: CredentialsKeeper;
  /** Then all that it says is withdrawn. */
  isLeaving: boolean;
  readonly watch: PeerWatch;
  readonly leaf: LeafNode | undefined;
  peers: PeerState;
  /** Whether everything that was on the bus at the start was read. */
  listed: boolean;
}

/** This cluster's place in the clusterset: alone, the founder, or a member. Follows what the others say and says its own. */
export class Membership {
  readonly #options: MembershipOptions;
  readonly #joinKeys: KeptJoinKeys;
  #session: Session | undefined;
  /** Of all sessions: what is known goes on from one to the next. */
  readonly #confirmations = new HubConfirmations();
  /** The session that was asked last what became of its records. */
  #askedOf: Session | undefined;
  #intake: ThrottledIntake | undefined;
  #records: ReadonlyMap<string, RecordBody> | undefined;
  /** Whether Secrets were read once, so that "no hub" is known and not only not found yet. */
  #looked = false;
  #joined = Promise.withResolvers<void>();
  /** Whether this cluster was a member and gave that up: then nothing of others is left to wait for. */
  #hasLeft = false;
  readonly #credentials: CredentialsSecret;
  readonly #wishes: WishedChanges;
  readonly #bySecret: TokenSecretJoin | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
    this.#credentials = new CredentialsSecret(options.secrets, options.cluster);
    this.#wishes = new WishedChanges(this.#credentials, options.cluster, () => this.#session?.keeper);
    const { tokenSecret: name, secrets, leadership = ALONE, log } = options;
    if (name !== undefined) this.#bySecret = new TokenSecretJoin({ secrets, name, leadership, join: async (token, signal) => await this.join(token, signal), log: log.child({ scope: 'membership' }) });
    this.#joinKeys = new KeptJoinKeys(options.secrets);
  }

  /** Views of all members, this cluster among them. */
  views(): ReadonlyMap<string, ClusterView> {
    return this.#session === undefined ? new Map() : this.#confirmations.mark(views(this.#session.peers), this.#session.peers);
  }

  members(): readonly Member[] {
    return [...(this.#session?.peers.members.values() ?? [])].map(({ member }) => member);
  }

  /** Which clusterset this is; undefined where it is none, `unknown` before that is known. */
  get clusterset(): string | undefined {
    if (this.#session === undefined) return this.#looked ? undefined : 'unknown';
    return clustersetId(this.#session.peers.authorityPublicKey);
  }

  /** How the others are; undefined before this cluster has a hub. */
  get peers(): Pick<PeerWatch, 'statusOf' | 'phaseOf' | 'standingOf' | 'ownState' | 'ownSinceMs' | 'hasHeardItself'> | undefined {
    return this.#session?.watch;
  }

  get isAuthority(): boolean {
    return this.#session?.authority !== undefined;
  }

  /** `none` before a cluster has joined; then with the reason, where it is to join by itself. */
  hubState(): BusState | { readonly kind: 'none'; readonly lastError?: string } {
    const lastError = this.#bySecret?.lastError;
    return this.#session?.bus.state() ?? { kind: 'none', ...(lastError === undefined ? {} : { lastError }) };
  }

  /** What is known of the clusters at this moment; before this cluster has looked for a hub, of none. */
  known(): KnownClusters {
    if (this.#session === undefined) {
      const [hasLeft, looked] = [this.#hasLeft, this.#looked];
      return { views: new Map(), isComplete: () => hasLeft, allListed: looked, allComplete: looked };
    }
    const { peers, listed } = this.#session;
    const all = this.views();
    // A bus that lost everything lists nobody: without this cluster's own record it is not believed.
    const allListed = listed && all.has(this.#options.cluster);
    return {
      views: all,
      isComplete: (cluster) => isWhole(all.get(cluster)) || peers.members.get(cluster)?.member.revoked === true,
      allListed,
      allComplete: allListed && [...all.values()].every((view) => isWhole(view) || view.cluster === this.#options.cluster),
    };
  }

  /** As {@link known} says. */
  isComplete(cluster: string): boolean {
    return this.known().isComplete(cluster);
  }

  get allListed(): boolean {
    return this.known().allListed;
  }

  get allComplete(): boolean {
    return this.known().allComplete;
  }

  /** Members that write more than they may at this moment. */
  throttled(): ReadonlyMap<string, Throttled> {
    return this.#intake?.throttled ?? new Map();
  }

  /** Undefined where the cluster has no leaf node. */
  get leaf(): LeafStatus | undefined {
    return this.#session?.leaf?.status;
  }

  publish(records: ReadonlyMap<string, RecordBody>): void {
    this.#records = records;
    if (this.#session?.isLeaving === false) this.#session.publisher.publish(records);
  }

  publishedRecords(): number {
    return this.#session?.publisher.status().published ?? 0;
  }

  /** How far this cluster's record of a service has come; `key` is `<namespace>/<name>`. */
  publicationOf(key: string): Publication {
    if (this.#session === undefined) return { kind: 'alone' };
    const state = this.#session.publisher.stateOf(`svc.${key.replace('/', '.')}`);
    return typeof state === 'string' ? { kind: state } : { kind: 'refused', message: state.refused };
  }

  /** Services of which {@link publicationOf} may say something else than when this was asked last. */
  takePublished(): readonly string[] {
    const decided = this.#session?.publisher.takeDecided();
    const changed = this.#session === this.#askedOf ? decided : this.#records?.keys();
    this.#askedOf = this.#session;
    return [...(changed ?? [])].flatMap((key) => (key.startsWith('svc.') ? [key.slice('svc.'.length).replace('.', '/')] : []));
  }

  /** @throws LandbridgeError `not-authority` */
  async createToken(request: TokenRequest, signal: AbortSignal): Promise<CreatedToken> {
    return await this.#founding().authority.join.createToken(request, signal);
  }

  /** Removes a member; what the hub could not be told yet it hears when it is back. @throws LandbridgeError `not-authority`, `member-unknown`, `founder-stays` */
  async revoke(cluster: string, signal: AbortSignal): Promise<{ readonly member: Member; readonly hub: HubTold }> {
    const { bus, removals, authority } = this.#founding();
    const removed = await authority.join.records.remove(cluster, 'revoked');
    this.#options.log.info({ scope: 'membership', cluster }, 'member revoked');
    return { member: removed.member, hub: await announceRemoval({ bus, authority: authority.keys, keeper: removals, revoked: this.#revokedUsers, log: this.#options.log }, removed, signal) };
  }

  /** NATS users that the hub must not let in: of removed members, and those that members had before. */
  readonly #revokedUsers = (): ReadonlyMap<string, number> => {
    const removed = [...(this.#session?.removals.list.values() ?? [])].map(({ member }) => member);
    return revokedUsers([...this.members(), ...removed], this.#options.clock());
  };

  #founding(): Session & { readonly authority: NonNullable<Session['authority']> } {
    const session = this.#session;
    if (session?.authority !== undefined) return { ...session, authority: session.authority };
    throw new LandbridgeError('not-authority', `cluster ${this.#options.cluster} does not decide about members: it holds no hub authority`, { hint: 'Ask the cluster that has the Secret landbridge-hub-authority.' });
  }

  /** @throws LandbridgeError `already-joined`, and everything that joinWithToken throws */
  async join(token: string, signal: AbortSignal): Promise<readonly string[]> {
    const { cluster, trustDomain, network, roots, clock } = this.#options;
    const place = await this.#freePlace();
    const keys = async (authorityPublicKey: string): Promise<JoinKeys> => await this.#joinKeys.keysFor(authorityPublicKey);
    const { credentials, members } = await joinWithToken({ token, keys, cluster, trustDomain, roots: roots().map((root) => root.toString('base64')), network, signal, clock }).catch(async (thrown: unknown) => {
      // A key that was revoked between two attempts can not come back, and a new one may.
      if (thrown instanceof LandbridgeError && thrown.code === 'member-revoked') await this.#joinKeys.tryForget(this.#options.log);
      throw thrown;
    });
    // From here on the keys are in the credentials; whoever follows them forgets the others.
    await this.#credentials.write({ credentials, next: undefined, isLeaving: false }, place);
    this.#joined.resolve();
    return members.map((member) => member.cluster);
  }

  /** The version of the Secret that credentials may take the place of. @throws LandbridgeError `already-joined`, also of whatever can not be read: that is not to be lost */
  async #freePlace(): Promise<string | undefined> {
    const known = await this.#credentials.read().catch((thrown: unknown) => {
      throw thrown instanceof LandbridgeError && thrown.code === 'bad-credentials' ? alreadyJoined(this.#options.cluster) : thrown;
    });
    if (known.kind === 'member' || this.#session !== undefined) throw alreadyJoined(this.#options.cluster);
    return known.kind === 'left' ? known.version : undefined;
  }

  /** What there is for this cluster, for a token that is not spent by it. @throws as {@link join} */
  async previewJoin(token: string, signal: AbortSignal): Promise<JoinPreview> {
    const { roots } = this.#options;
    await this.#freePlace();
    return await previewWithToken({ ...this.#options, token, roots: roots().map((root) => root.toString('base64')), signal });
  }

  /**
   * Withdraws what this cluster says, asks the founder to let it go, and forgets its credentials; by `force` only the last.
   * What can not be done now is done later, by whichever process leads. @throws LandbridgeError `not-joined`, `founder-stays`
   */
  async leave({ force }: { readonly force: boolean }, signal: AbortSignal): Promise<ChangeOutcome> {
    if (this.isAuthority) throw founderStays(this.#options.cluster);
    return await this.#wishes.leave(force, signal);
  }

  /** Gives this cluster another NATS user and another key for its records, by the founder; the old ones go on until then. @throws LandbridgeError `not-joined`, `founder-stays` */
  async rotate(signal: AbortSignal): Promise<ChangeOutcome> {
    if (this.isAuthority) throw founderStays(this.#options.cluster);
    return await this.#wishes.rotate(signal);
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { log } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        const found = await this.#findCredentials();
        // Who has credentials is not alone, also before they are followed.
        this.#looked = found === undefined;
        if (found === undefined) {
          this.#session = undefined;
          this.#options.onChange();
          // Who has left does not come back by itself.
          if (!this.#hasLeft) await this.#bySecret?.attempt(signal);
          await eitherOrAfter(this.#joined.promise, SECRET_POLL_MS, signal);
          this.#joined = Promise.withResolvers();
          continue;
        }
        await this.#joinKeys.tryForget(this.#options.log);
        this.#hasLeft = false;
        await this.#follow(found.kept, found.authority, signal);
        failures = 0;
      } catch (thrown) {
        if (signal.aborted) return;
        const waitMs = retryDelay(failures++);
        const error = LandbridgeError.from(thrown);
        log.warn({ scope: 'membership', code: error.code, error: error.message, hint: error.hint, retry_ms: Math.round(waitMs) }, 'the hub can not be followed');
        await waitFor(waitMs, signal);
      }
    }
  }

  async #findCredentials(): Promise<{ readonly kept: KeptCredentials; readonly authority: HubAuthority | undefined } | undefined> {
    const { secrets, cluster } = this.#options;
    const [authority, found] = await Promise.all([readHubAuthority(secrets), this.#credentials.read()]);
    if (found.kind === 'member') return { kept: found.kept, authority };
    this.#hasLeft = found.kind === 'left';
    if (authority === undefined) return undefined;
    const kept: KeptCredentials = { credentials: await makeFounderCredentials(authority, cluster), next: undefined, isLeaving: false };
    await this.#credentials.write(kept, found.kind === 'left' ? found.version : undefined);
    return { kept, authority };
  }

  async #follow({ credentials, isLeaving }: KeptCredentials, hubAuthority: HubAuthority | undefined, outer: AbortSignal): Promise<void> {
    const { cluster, clock, log, tokens, secrets, onChange, trustDomain, network, roots, leadership = ALONE, userLifeSeconds } = this.#options;
    const lives = userLifeSeconds === undefined ? {} : { lifeSeconds: userLifeSeconds };
    const stop = new AbortController();
    const signal = AbortSignal.any([outer, stop.signal]);
    const isRefused = (): boolean => {
      const state = bus.state();
      return state.kind === 'connecting' && state.isRefused === true;
    };
    const connectedSince = (): number | undefined => {
      const state = bus.state();
      return state.kind === 'connected' ? state.since : undefined;
    };
    const withdraw = (): boolean => {
      if (!session.isLeaving) publisher.publish(new Map());
      session.isLeaving = true;
      return !publisher.status().pending;
    };
    // Before the bus, which asks it for the JWT at each connect, the first one too.
    const keeper = new CredentialsKeeper({ secret: this.#credentials, credentials, leadership, isRefused, connectedSince, isWithdrawn: withdraw, clock, log: log.child({ scope: 'membership' }) });
    await using bus = await openNatsBus({ credentials, userJwt: () => keeper.userJwt, createBucket: hubAuthority !== undefined, ...(hubAuthority?.replicas === undefined ? {} : { replicas: hubAuthority.replicas }), clusterName: cluster, log: log.child({ scope: 'bus' }), signal });
    const privateKey = createPrivateKey(credentials.recordPrivateKeyPem);
    const publisher = new Publisher(bus, { cluster, privateKey, log: log.child({ scope: 'publisher' }), clock, leadership, onDecided: onChange });
    const removed = new RemovedMembers(secrets, credentials.authorityPublicKey);
    const known = await removed.load();
    const authority = hubAuthority === undefined ? undefined : new JoinAuthority({ founder: cluster, authority: hubAuthority, store: tokens, bus, members: () => session.peers.members, views: () => this.views().values(), removed, clock, log: log.child({ scope: 'join' }), ...lives });
    const removals = new RemovalKeeper(known, { removed, authorityPublicKey: credentials.authorityPublicKey, leadership, log: log.child({ scope: 'removal' }), ...(authority === undefined ? {} : { removeAgain: (present, reason) => authority.records.removeAgain(present, reason) }) });
    // What the hub shows of removed members later is older. What is known already stays known, where this cluster only has other keys.
    const before = this.#session?.peers.authorityPublicKey === credentials.authorityPublicKey ? this.#session.peers : undefined;
    const peers = before ?? [...known.values()].reduce((state, { member, bytes }) => reducePeers(state, { kind: 'entry', key: busKey(MEMBERS, member.cluster), value: bytes, revision: 0 }, clock()), emptyPeers(credentials.authorityPublicKey));
    const watch = new PeerWatch({
      cluster,
      privateKey,
      channel: natsBeatChannel(bus, cluster, log.child({ scope: 'peers' })),
      bus,
      publisher,
      peers: () => session.peers,
      isBehind: (name) => queue.waitsFor(name) || intake.throttled.has(name),
      take: (key, value) => intake.offer({ kind: 'entry', key, value, revision: 0 }),
      leadership,
      times: this.#options.peers?.times ?? DEFAULT_TIMES,
      stalePolicy: this.#options.peers?.stalePolicy ?? 'deprioritize',
      clock,
      onChange,
      log: log.child({ scope: 'peers' }),
    });
    const place = this.#options.leaf;
    const leaf = place === undefined ? undefined : new LeafNode({ place, cluster, credentials: () => keeper.credentials, secrets, hub: bus, leadership, take: (event) => mirrored.offer(event), onChange, clock, log: log.child({ scope: 'leaf' }) });
    const session: Session = { bus, publisher, watch, leaf, authority: authority && hubAuthority && { join: authority, keys: hubAuthority }, removals, keeper, isLeaving, peers, listed: false };
    this.#session = session;
    if (isLeaving) publisher.publish(new Map());
    else if (this.#records !== undefined) publisher.publish(this.#records);
    const believe = (event: BusEvent): boolean => {
      const taken = session.peers;
      session.peers = reducePeers(session.peers, event, clock());
      return session.peers !== taken;
    };
    const sawRecord = (key: string): void => {
      const place = splitBusKey(key);
      if (place?.recordKey === 'sync') watch.sawSync(place.cluster);
    };
    const queue = new EntryQueue((event) => {
      const isNew = believe(event);
      const isConfirmed = this.#confirmations.shown(event);
      if (isNew && event.kind === 'entry') sawRecord(event.key);
      const isCurrent = event.kind === 'current';
      session.listed ||= isCurrent;
      if (isNew || isConfirmed || isCurrent) onChange();
    });
    const mirrorQueue = new EntryQueue((event) => {
      this.#confirmations.mirrorRead();
      if (believe(event)) onChange();
    });
    const into = (entries: EntryQueue) => (events: readonly BusEvent[]): void => {
      for (const event of events) entries.add(event);
    };
    const mirrored = new ThrottledIntake({ take: into(mirrorQueue), log: log.child({ scope: 'quota' }), signal });
    const intake = new ThrottledIntake({ take: into(queue), log: log.child({ scope: 'quota' }), signal });
    this.#intake = intake;
    const read = async (): Promise<void> => {
      for await (const event of bus.watch('>', signal)) {
        intake.offer(event);
        await queue.room(signal);
      }
    };
    const admit = async (term: AbortSignal): Promise<void> => {
      await authority?.admitFounder({ credentials, trustDomain, network, roots: roots().map((root) => root.toString('base64')) }, term);
    };
    // One answers joins: two at once would not see whom the other one admits.
    const serve = async (term: AbortSignal): Promise<void> => {
      if (authority === undefined || hubAuthority === undefined) return;
      const announce = (removed: SignedMember): void => void announceRemoval({ bus, authority: hubAuthority, keeper: removals, revoked: this.#revokedUsers, log }, removed, term).catch(() => undefined);
      const members = memberService({ authority: hubAuthority, records: authority.records, onLeft: announce, clock, ...lives, log: log.child({ scope: 'join' }) });
      while (!term.aborted) {
        const connection = await bus.connection(term);
        await Promise.all([serveRequests(connection, REDEEM_SUBJECT, ({ bytes, reply }, each) => authority.redeem(bytes, senderOf(reply), each), term), serveRequests(connection, MEMBER_REQUESTS, members, term)]);
      }
    };
    const keep = async (): Promise<void> => {
      if (authority !== undefined) await keepMembers(bus, { authorityPublicKey: credentials.authorityPublicKey, leadership, log: log.child({ scope: 'members' }) }, signal);
    };
    const tellHub = async (term: AbortSignal): Promise<void> => {
      if (hubAuthority !== undefined) await keepHubAccount(hubAuthority, { revoked: this.#revokedUsers, changed: () => removals.changed }, log.child({ scope: 'removal' }), term);
    };
    const admitAndServe = async (term: AbortSignal): Promise<void> => void (await Promise.all([admit(term), serve(term), tellHub(term)]));
    try {
      const keepCredentials = async (): Promise<void> => {
        await keeper.run(signal);
        stop.abort();
      };
      await Promise.all([read(), queue.run(signal), watch.run(signal), publisher.run(signal), whileLeading(leadership, signal, admitAndServe), keep(), removals.run(bus, signal), mirrorQueue.run(signal), leaf?.run(signal), keepCredentials()]);
    } catch (thrown) {
      // Ended for other keys, or none.
      if (!stop.signal.aborted) throw thrown;
    } finally {
      stop.abort();
    }
  }
}
