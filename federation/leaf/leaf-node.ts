/** The cluster's leaf node, as the federation service sees it: it is told where the hub is, has a mirror made, and is read while the hub is away. */
import { eitherOrAfter } from '@landbridge/core/either-or-after.ts';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { whenAborted } from '@landbridge/core/when-aborted.ts';
import type { Logger } from 'pino';
import { watchBucket } from '../bus/bucket-watch.ts';
import type { BusEvent } from '../bus/bus.ts';
import type { NatsBus } from '../bus/nats-bus.ts';
import { NatsLink, type Session } from '../bus/nats-link.ts';
import type { HubCredentials } from '../join/credentials.ts';
import { memberInboxPrefix } from '../join/hub-users.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { type Leadership, whileLeading } from '../leadership/leadership.ts';
import { keepLeafSecret, LEAF_SECRET, leafAccess, type LeafPlace } from './leaf-secret.ts';
import { keepMirror } from './mirror-stream.ts';

export interface LeafNodeOptions {
  readonly place: LeafPlace;
  readonly cluster: string;
  /** Of this moment. */
  readonly credentials: () => HubCredentials;
  readonly secrets: SecretStore;
  readonly hub: Pick<NatsBus, 'session'>;
  /** One replica writes the Secret, and has the mirror made. */
  readonly leadership: Leadership;
  /** Called with what the mirror says, while the hub is away. */
  readonly take: (event: BusEvent) => void;
  /** Called when {@link LeafNode.status} is another one. */
  readonly onChange: () => void;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Pick<Logger, 'debug' | 'info' | 'warn'>;
}

export interface LeafStatus {
  readonly isConnected: boolean;
  /** Messages of the hub that the mirror lacks, when the leader looked last; undefined before, and in other replicas. */
  readonly lag: number | undefined;
  /** Since when the mirror is read in the hub's place, in milliseconds since 1970; undefined while the hub is there. */
  readonly readingSince: number | undefined;
}

/** A hub that comes back at once, as one of several servers does, is not worth reading everything again. */
const GRACE_MS = 3_000;
const SECRET_LOOK_MS = 2_000;
const MIRROR_LOOK_MS = 10_000;
const BEHIND_LOOK_MS = 1_000;
const HEARTBEAT_MS = 5_000;

export class LeafNode {
  readonly #options: LeafNodeOptions;
  #link: NatsLink | undefined;
  #lag: number | undefined;
  #readingSince: number | undefined;

  constructor(options: LeafNodeOptions) {
    this.#options = options;
  }

  get status(): LeafStatus {
    return { isConnected: this.#link?.state().kind === 'connected', lag: this.#lag, readingSince: this.#readingSince };
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([whileLeading(this.#options.leadership, signal, async (term) => await this.#keepSecret(term)), this.#follow(signal)]);
  }

  async #keepSecret(signal: AbortSignal): Promise<void> {
    const { secrets, credentials, place, clock, log } = this.#options;
    let isWithout = false;
    await this.#again('the Secret of the leaf node could not be written', SECRET_LOOK_MS, signal, async () => {
      const { leafJwt, ...others } = credentials();
      if (leafJwt === undefined) {
        if (!isWithout) log.warn('the founder has given no credentials for a leaf node: it has to be of version 0.2, and tells them when it renews those of this cluster');
        isWithout = true;
      } else if (await keepLeafSecret(secrets, { ...others, leafJwt }, place, new Date(clock()))) {
        log.info({ secret: LEAF_SECRET }, 'wrote what the leaf node needs');
      }
    });
  }

  /** A connection for each content of what the Secret says of it. */
  async #follow(signal: AbortSignal): Promise<void> {
    const { secrets, cluster, place, log } = this.#options;
    await this.#again('the Secret of the leaf node could not be read', SECRET_LOOK_MS, signal, async () => {
      const secret = await secrets.read(LEAF_SECRET);
      const access = secret === undefined ? undefined : leafAccess(secret, cluster, place);
      if (secret === undefined || access === undefined) return;
      const other = new AbortController();
      const term = AbortSignal.any([signal, other.signal]);
      await using link = new NatsLink({ access, name: `landbridge ${cluster}`, to: 'the leaf node', log });
      this.#link = link;
      const watchSecret = async (): Promise<void> => {
        while (!term.aborted) {
          await waitFor(SECRET_LOOK_MS, term);
          const now = await secrets.read(LEAF_SECRET).catch(() => secret);
          if (now?.values['client.seed'] !== secret.values['client.seed'] || now?.values['leaf-ca.pem'] !== secret.values['leaf-ca.pem']) other.abort();
        }
      };
      await Promise.all([watchSecret(), whileLeading(this.#options.leadership, term, async (leading) => await this.#mirror(link, leading)), this.#readWhileAway(link, term)]);
    });
  }

  async #mirror(link: NatsLink, signal: AbortSignal): Promise<void> {
    const { hub, cluster, log, onChange } = this.#options;
    await this.#again('the mirror of the hub could not be looked at', 0, signal, async () => {
      const [here, there] = await Promise.all([link.session(signal), hub.session(signal)]);
      const { outcome, lag } = await keepMirror(here.connection, there.connection, cluster);
      if (outcome !== 'kept') log.info({ outcome }, 'the leaf node mirrors the bucket of the hub');
      this.#lag = lag;
      onChange();
      // A hub that comes back may have another bucket, a leaf node another disk.
      const lost = AbortSignal.any([here.lost, there.lost]);
      await waitFor(lag === 0 && outcome === 'kept' ? MIRROR_LOOK_MS : BEHIND_LOOK_MS, AbortSignal.any([signal, lost]));
    });
  }

  async #readWhileAway(link: NatsLink, signal: AbortSignal): Promise<void> {
    const { hub, clock, onChange, log } = this.#options;
    while (!signal.aborted) {
      const back = new AbortController();
      const found: Session[] = [];
      const returned = hub.session(signal).then((session) => void found.push(session), () => undefined);
      await eitherOrAfter(returned, GRACE_MS, signal);
      const [session] = found;
      if (session !== undefined) {
        await whenAborted(AbortSignal.any([signal, session.lost]));
        continue;
      }
      if (signal.aborted) return;
      void returned.then(() => back.abort());
      this.#readingSince = clock();
      log.warn('the hub is away: reading from the mirror of the leaf node');
      onChange();
      await this.#read(link, AbortSignal.any([signal, back.signal]));
      this.#readingSince = undefined;
      if (!signal.aborted) log.info('the hub is there again, the mirror is not read any more');
      onChange();
    }
  }

  async #read(link: NatsLink, signal: AbortSignal): Promise<void> {
    const { cluster, take, log } = this.#options;
    for await (const event of watchBucket({ link, filter: '>', inboxPrefix: memberInboxPrefix(cluster), heartbeatMs: HEARTBEAT_MS, log, ensureBucket: async () => {} }, signal)) take(event);
  }

  /** Does the work again and again, later after failures, of which the first is told. */
  async #again(failed: string, pauseMs: number, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await work();
        failures = 0;
        await waitFor(pauseMs, signal);
      } catch (thrown) {
        if (signal.aborted) return;
        const { code, message } = LandbridgeError.from(thrown);
        if (failures === 0 && code !== 'conflict') this.#options.log.warn({ code, error: message }, failed);
        await waitFor(retryDelay(failures++), signal);
      }
    }
  }
}
