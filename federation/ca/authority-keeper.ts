import { LandbridgeError } from '@landbridge/core/errors.ts';
import { waitFor } from '@landbridge/core/retry-delay.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { Logger } from 'pino';
import type { CaStatus } from '../admin/admin-api.ts';
import type { SecretStore } from '../kubernetes/secret-store.ts';
import { metrics } from '../metrics.ts';
import { Authority, type Issuer } from './authority.ts';
import type { CaSource } from './ca-source.ts';
import type { ChainDemand } from './issuing-chain.ts';

export const ROOT_CONFIG_MAP = 'landbridge-ca-root';
/** How often the source is looked at: a Secret by its name, as watching it would need the right to see all of the namespace. */
const POLL_MS = 5000;

export interface KeeperOptions {
  readonly source: CaSource;
  readonly secrets: Pick<SecretStore, 'writeConfigMap'>;
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
    while (!signal.aborted) {
      await waitFor(POLL_MS, signal);
      if (!signal.aborted) await this.look();
    }
  }

  /** One look at the source. What could not be looked at stays as it is. */
  async look(): Promise<void> {
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

  /** Agents verify the service itself by it, which they do before anything else can be told. */
  async #tellRoots(): Promise<void> {
    const pem = this.authority.rootsPem;
    if (pem === this.#toldPem) return;
    await this.#options.secrets.writeConfigMap(ROOT_CONFIG_MAP, { 'root-cert.pem': pem });
    this.#toldPem = pem;
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
  const [root] = after.roots;
  const isKnown = root !== undefined && before.roots.some((known) => known.raw.equals(root.raw));
  if (isKnown || before.notAfterMs <= nowMs) return ok(after);
  return err('it stands under a root that agents do not have yet: add that root to the roots first, and change the certificate later');
}

function isSame(a: Issuer, b: Issuer): boolean {
  return a.id === b.id && a.roots.length === b.roots.length && a.roots.every((root, i) => root.raw.equals((b.roots[i] as typeof root).raw));
}
