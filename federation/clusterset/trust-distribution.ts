import { createHash, X509Certificate } from 'node:crypto';
import type { TrustedBundle } from '@landbridge/core/records.ts';
import type { ClusterView } from '../records/cluster-view.ts';

export interface TrustBundle {
  readonly trustDomain: string;
  /** DER, in an order that does not depend on who tells them. */
  readonly roots: readonly Buffer[];
  /** Not all of the cluster's records were read from the hub in the life of this process: it may have other roots by now. */
  readonly isProvisional: boolean;
}

export interface OwnTrust {
  readonly cluster: string;
  readonly trustDomain: string;
  /** DER. */
  readonly roots: readonly Buffer[];
}

/** Whose roots vouch for which trust domain, by cluster. A member's word counts for its own trust domain and for nobody else's; ours is our own. */
export function trustBundles({ cluster, trustDomain, roots }: OwnTrust, views: ReadonlyMap<string, ClusterView>): ReadonlyMap<string, TrustBundle> {
  const bundles = new Map<string, TrustBundle>([[cluster, { trustDomain, roots: sorted(roots), isProvisional: false }]]);
  for (const view of views.values()) {
    if (view.cluster !== cluster && view.member.trustDomain !== trustDomain) bundles.set(view.cluster, { trustDomain: view.member.trustDomain, roots: rootsOf(view), isProvisional: !view.complete || view.isProvisional === true });
  }
  return bundles;
}

/** Neither a member nor what a cluster says of itself ever changes, and a view with the same ones has the same roots. */
const read = new WeakMap<ClusterView['member'], { readonly meta: ClusterView['meta']; readonly roots: readonly Buffer[] }>();
const digests = new WeakMap<readonly Buffer[], string>();

/**
 * Roots as the cluster itself says them, signed by the record key that the founder bound to it; as they were at its join
 * where it says nothing that makes sense. One that is no authority's would have agents refuse the others with it.
 */
function rootsOf(view: ClusterView): readonly Buffer[] {
  const { meta, member } = view;
  const known = read.get(member);
  if (known !== undefined && known.meta === meta) return known.roots;
  const said = meta?.trustDomain === member.trustDomain ? meta.roots?.map((root) => Buffer.from(root, 'base64')) : undefined;
  const roots = sorted(said !== undefined && said.length > 0 && said.every(isAuthority) ? said : member.roots.map((root) => Buffer.from(root, 'base64')));
  read.set(member, { meta, roots });
  return roots;
}

function isAuthority(der: Buffer): boolean {
  try {
    return new X509Certificate(der).ca;
  } catch {
    // Foreign bytes.
    return false;
  }
}

const sorted = (roots: readonly Buffer[]): Buffer[] => [...roots].sort((a, b) => a.compare(b));

/** SHA-256, hexadecimal, over the fingerprints of the roots in order: by it clusters tell each other which they have. */
export function bundleDigest({ roots }: Pick<TrustBundle, 'roots'>): string {
  const known = digests.get(roots);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const root of sorted(roots)) hash.update(createHash('sha256').update(root).digest());
  const digest = hash.digest('hex');
  digests.set(roots, digest);
  return digest;
}

/** Which roots of others all agents here have: told to the others, so that none of them goes on before they are everywhere. */
export class TrustDistribution {
  readonly #confirmed = new Map<string, string>();

  /**
   * Looks at what agents have confirmed. Once all had a bundle, an agent that comes later gets it before it is ready: it
   * stays so until the bundle is another one. Whether anything is new.
   */
  update(bundles: ReadonlyMap<string, TrustBundle>, isConfirmed: (trustDomain: string) => boolean): boolean {
    let isNew = false;
    for (const cluster of [...this.#confirmed.keys()]) if (!bundles.has(cluster)) isNew = this.#confirmed.delete(cluster) || isNew;
    for (const [cluster, bundle] of bundles) {
      const digest = bundleDigest(bundle);
      if (this.#confirmed.get(cluster) === digest || bundle.isProvisional || !isConfirmed(bundle.trustDomain)) continue;
      this.#confirmed.set(cluster, digest);
      isNew = true;
    }
    return isNew;
  }

  /** For the `meta` record, in an order that stays. */
  trusted(own: string): TrustedBundle[] {
    return [...this.#confirmed].filter(([cluster]) => cluster !== own).map(([cluster, digest]) => ({ cluster, digest })).sort((a, b) => (a.cluster < b.cluster ? -1 : 1));
  }
}

/** Members that have not said that all their agents have a cluster's roots. */
export function membersBehind(own: OwnTrust, views: ReadonlyMap<string, ClusterView>): readonly string[] {
  const digest = bundleDigest(own);
  return [...views.values()].filter(({ cluster, meta }) => cluster !== own.cluster && meta?.trusted?.some((told) => told.cluster === own.cluster && told.digest === digest) !== true).map(({ cluster }) => cluster).sort();
}
