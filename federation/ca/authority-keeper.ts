import { isDeepStrictEqual } from 'node:util';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { retryDelay, waitFor } from '@landbridge/core/retry-delay.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Logger } from 'pino';
import type { CaStatus } from '../admin/admin-api.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import { metrics } from '../metrics.ts';
import { Authority, type Issuer } from './authority.ts';
import type { CaSource } from './ca-source.ts';
import type { ChainDemand } from './issuing-chain.ts';

export const ROOT_CONFIG_MAP = 'landbridge-ca-root';
const ROOT_KEY = 'root-cert.pem';
/** How often the source is looked at: a Secret by its name, as watching it would need the right to see all of the namespace. */
const POLL_MS = 5000;
const TOLD_RETRY = { firstMs: 100, mostMs: 1000 };

export interface KeeperOptions {
  readonly source: CaSource;
  readonly secrets: Pick<SecretStore, 'readConfigMap' | 'writeConfigMap'>;
  /** Each replica looks; one writes. */
  readonly leadership?: Leadership;
  readonly demand: Omit<ChainDemand, 'nowMs'>;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: Logger;
}

/** Keeps an authority at what its source holds. What can not be used never takes the place of what can. */
export class AuthorityKeeper {
  readonly authority: Authority;
  readonly #options: KeeperOptions;
  #fault: string | undefined;
  #last: Promise<void> = Promise.resolve();
  /** What agents find in the ConfigMap. */
  #toldPem: string | undefined;

  private constructor(authority: Authority, options: KeeperOptions) {
    this.authority = authority;
    this.#options = options;
  }

  /** @throws LandbridgeError `bad-ca` where there is nothing to begin with, and what the source throws */
  static async open(options: KeeperOptions): Promise<AuthorityKeeper> {
    const { source, demand, clock } = options;
    const issuer = await source.read({ ...demand, nowMs: clock() });
    if (!issuer.ok) throw new LandbridgeError('bad-ca', `${source.place} is no certificate authority for ${demand.trustDomain}: ${issuer.error}`, { hint: 'Put it right; docs/certificates.md says what it must hold.' });
    const keeper = new AuthorityKeeper(new Authority(issuer.value, demand.trustDomain), options);
    await keeper.#tellRoots();
    keeper.#count();
    return keeper;
  }

  /** Why what the source holds is not in use; undefined where it is. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** For people. */
  status(): CaStatus {
    const { subject, notAfterMs, roots } = this.authority.issuer;
    return {
      place: this.#options.source.place,
      subject,
      notAfter: notAfterMs,
      roots: roots.map((root) => ({ subject: root.subject.replaceAll('\n', ', '), fingerprint: root.fingerprint256, notAfter: Date.parse(root.validTo) })),
      ...(this.#fault === undefined ? {} : { fault: this.#fault }),
    };
  }

  /** Runs until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let changed = new AbortController();
    using _changed = (this.#options.leadership ?? ALONE).onChange(() => changed.abort());
    while (!signal.aborted) {
      await waitFor(POLL_MS, AbortSignal.any([signal, changed.signal]));
      changed = new AbortController();
      if (!signal.aborted) await this.look();
    }
  }

  /** One look at the source, when those before have ended: what was read first must not take the place of what was read later. */
  look(): Promise<void> {
    this.#last = this.#last.then(() => this.#look());
    return this.#last;
  }

  /** What could not be looked at stays as it is. */
  async #look(): Promise<void> {
    const { source, demand, clock, log } = this.#options;
    try {
      const read = await source.read({ ...demand, nowMs: clock() });
      const issuer = read.ok ? continuous(this.authority.issuer, read.value, clock()) : read;
      this.#setFault(issuer.ok ? undefined : issuer.error);
      if (issuer.ok && !isSame(issuer.value, this.authority.issuer)) {
        log.info({ place: source.place, subject: issuer.value.subject, roots: issuer.value.roots.map(({ fingerprint256 }) => fingerprint256), not_after: new Date(issuer.value.notAfterMs).toISOString() }, 'the certificate authority is another one');
        this.authority.replace(issuer.value);
      }
      await this.#tellRoots();
    } catch (thrown) {
      const { code, message } = LandbridgeError.from(thrown);
      log.warn({ place: source.place, code, error: message }, 'the certificate authority could not be looked at');
    }
    this.#count();
  }

  #setFault(fault: string | undefined): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    const { source, log } = this.#options;
    if (fault === undefined) log.info({ place: source.place }, 'the certificate authority is in order again');
    else log.error({ place: source.place, error: fault, hint: 'The one before it stays in use until it ends. See docs/certificates.md.' }, 'the certificate authority can not be used');
  }

  /** Resolves once agents find the roots of now in the ConfigMap, which is the leader's to write, or when the signal aborts. */
  async untilTold(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      const there = await this.#options.secrets.readConfigMap(ROOT_CONFIG_MAP).catch(() => undefined);
      if (there?.[ROOT_KEY] === this.authority.rootsPem) return;
      await waitFor(retryDelay(failures, TOLD_RETRY), signal);
    }
  }

  /** Agents verify the service itself by it, which they do before anything else can be told. */
  async #tellRoots(): Promise<void> {
    const { secrets, leadership = ALONE } = this.#options;
    const values = { [ROOT_KEY]: this.authority.rootsPem };
    // Whoever leads meanwhile may write others.
    if (!leadership.isLeading) this.#toldPem = undefined;
    if (!leadership.isLeading || values[ROOT_KEY] === this.#toldPem) return;
    if (!isDeepStrictEqual(await secrets.readConfigMap(ROOT_CONFIG_MAP), values)) await secrets.writeConfigMap(ROOT_CONFIG_MAP, values);
    this.#toldPem = values[ROOT_KEY];
  }

  #count(): void {
    const { issuer } = this.authority;
    metrics.authorityRefused.set(this.#fault === undefined ? 0 : 1);
    metrics.authorityExpiry.set(issuer.notAfterMs / 1000);
    metrics.authorityRoots.set(issuer.roots.length);
  }
}

/** A new authority has to stand under a root that agents have: under one that nobody was told, every new certificate would be refused. */
function continuous(before: Issuer, after: Issuer, nowMs: number): Result<Issuer> {
  const isKnown = after.anchors.some((root) => before.roots.some((known) => known.raw.equals(root.raw)));
  if (isKnown || before.notAfterMs <= nowMs) return ok(after);
  return err('it stands under a root that agents do not have yet: add that root to the roots first, and change the certificate later');
}

function isSame(a: Issuer, b: Issuer): boolean {
  return a.id === b.id && a.roots.length === b.roots.length && a.roots.every((root, i) => root.raw.equals((b.roots[i] as typeof root).raw));
}
