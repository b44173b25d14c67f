/** PeerAuthentication as policies that deny, which is how ztunnel knows it (istio.io, ambient, "PeerAuthentication"). */
import { type AuthorizationPolicy, EMPTY_MATCH, type Match, type Rule } from '@landbridge/core/authorization.ts';
import { type Selector, selects } from '../registry/label-selector.ts';
import { selectorOf } from './authorization-policy.ts';
import { objectNameValidator } from '../kubernetes/object-name.ts';
import { faultOf, type MutualTlsMode, peerAuthenticationSpecValidator } from './policy-schema.ts';
import { listed, type Verdict } from './verdict.ts';

/** What is asked of a connection; undefined: what the next wider PeerAuthentication asks. */
export type PeerMode = 'strict' | 'permissive' | undefined;

export interface PeerAuthentication {
  readonly namespace: string;
  readonly name: string;
  /** Milliseconds since 1970: the older of two for the same decides. */
  readonly createdAt: number;
  /** `wide`: of its namespace, or of all where that is the root namespace. */
  readonly level: 'wide' | 'workload';
  readonly selector: Selector;
  readonly mode: PeerMode;
  /** Of ports that differ from the mode. */
  readonly ports: ReadonlyMap<number, 'strict' | 'permissive'>;
  /** It can not be read: what it may select takes no plaintext, whatever others say. */
  readonly isBroken: boolean;
  readonly verdict: Verdict;
}

/** Underscores are in no name of Kubernetes, so that nobody can have a policy of these names. */
const STATIC_STRICT = 'istio_converted_static_strict';
const CONVERTED = 'converted_peer_authentication_';
const MAX_PORT = 65535;

const PLAINTEXT: Match = { ...EMPTY_MATCH, notPrincipals: [{ kind: 'presence' }] };

interface ForeignAuthentication {
  readonly metadata?: { readonly creationTimestamp?: unknown } | null;
  readonly spec?: unknown;
}

/** Total; undefined for what has not even a name. */
export function parsePeerAuthentication(object: unknown, rootNamespace: string): PeerAuthentication | undefined {
  const { metadata, spec = {} } = (object ?? {}) as ForeignAuthentication;
  if (!objectNameValidator.Check(metadata)) return undefined;
  const { namespace, name } = metadata;
  const selector = selectorOf((spec as { readonly selector?: unknown } | null)?.selector ?? {}) ?? [];
  const head = { namespace, name, createdAt: timeOf(metadata.creationTimestamp), level: selector.length > 0 ? 'workload' : 'wide', selector } as const;
  const fault = !peerAuthenticationSpecValidator.Check(spec) ? faultOf(peerAuthenticationSpecValidator, spec, 'spec') : undefined;
  const { mtls, portLevelMtls = {} } = fault === undefined ? (spec as { mtls?: { mode?: MutualTlsMode }; portLevelMtls?: Record<string, { mode?: MutualTlsMode }> }) : {};
  const ports = new Map(Object.entries(portLevelMtls).flatMap(([port, { mode }]) => {
    const asked = modeOf(mode);
    return asked === undefined ? [] : [[Number(port), asked] as const];
  }));
  const problem = fault ?? ([...ports.keys()].some((port) => port > MAX_PORT) ? 'spec.portLevelMtls has a port that is none' : ports.size > 0 && selector.length === 0 ? 'spec.portLevelMtls needs a selector' : undefined);
  if (problem !== undefined) return { ...head, mode: 'strict', ports: new Map(), isBroken: true, verdict: { kind: 'refused', reason: 'Invalid', message: `What it may select takes no plaintext, since it can not be read: ${listed([problem])}.` } };
  const isNowhere = namespace === rootNamespace && selector.length > 0;
  const verdict: Verdict = isNowhere ? { kind: 'refused', reason: 'UnsupportedValue', message: 'A PeerAuthentication with a selector counts in the namespace of its pods only: here, in the root namespace, it decides nothing.' } : { kind: 'accepted', message: 'In force where no narrower or older one is.' };
  return { ...head, mode: modeOf(mtls?.mode), ports, isBroken: false, verdict };
}

/** Nobody refuses TLS: DISABLE takes what PERMISSIVE takes. */
function modeOf(mode: MutualTlsMode | undefined): PeerMode {
  if (mode === undefined || mode === 'UNSET') return undefined;
  return mode === 'STRICT' ? 'strict' : 'permissive';
}

/** What is no time is the youngest. */
function timeOf(value: unknown): number {
  const time = value instanceof Date || typeof value === 'string' ? new Date(value).getTime() : Number.NaN;
  return Number.isNaN(time) ? Number.MAX_SAFE_INTEGER : time;
}

/** All PeerAuthentications together; what follows from them does not depend on their order. */
export class PeerAuthentications {
  readonly #rootNamespace: string;
  /** The one that decides, by namespace. */
  readonly #wide = new Map<string, PeerAuthentication>();
  /** The one that decides first, by namespace. */
  readonly #workload = new Map<string, PeerAuthentication[]>();
  readonly #broken = new Map<string, PeerAuthentication[]>();
  readonly #isEmpty: boolean;

  constructor(all: readonly PeerAuthentication[], rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    this.#isEmpty = all.length === 0;
    for (const each of [...all].sort(byAge)) {
      const { namespace, level, isBroken } = each;
      if (isBroken) push(this.#broken, namespace, each);
      else if (level === 'wide') this.#wide.set(namespace, this.#wide.get(namespace) ?? each);
      else if (namespace !== rootNamespace) push(this.#workload, namespace, each);
    }
  }

  /** Everything that {@link namesFor} may name. */
  policies(): readonly AuthorizationPolicy[] {
    if (this.#isEmpty) return [];
    const converted = [...this.#workload.values()].flat().flatMap((each) => {
      const rules = this.#exceptions(each);
      return rules === undefined ? [] : [policy(each.namespace, `${CONVERTED}${each.name}`, rules)];
    });
    return [policy(this.#rootNamespace, STATIC_STRICT, [[[PLAINTEXT]]]), ...converted];
  }

  /** Keys of the policies that a pod stands under. */
  namesFor(namespace: string, labels: Readonly<Record<string, string>>): readonly string[] {
    const isBroken = [...(this.#broken.get(namespace) ?? []), ...(this.#broken.get(this.#rootNamespace) ?? [])].some(({ selector }) => selects(selector, labels));
    if (isBroken) return [this.#strict];
    const own = this.#workload.get(namespace)?.find(({ selector }) => selects(selector, labels));
    if (own !== undefined && this.#exceptions(own) !== undefined) return [`${namespace}/${CONVERTED}${own.name}`];
    return (own?.mode ?? this.#modeOf(namespace)) === 'strict' ? [this.#strict] : [];
  }

  get #strict(): string {
    return `${this.#rootNamespace}/${STATIC_STRICT}`;
  }

  #modeOf(namespace: string): PeerMode {
    return this.#wide.get(namespace)?.mode ?? this.#wide.get(this.#rootNamespace)?.mode;
  }

  /** Rules where ports differ from all others; undefined where none does. */
  #exceptions({ namespace, mode, ports }: PeerAuthentication): readonly Rule[] | undefined {
    const isStrict = (mode ?? this.#modeOf(namespace)) === 'strict';
    const others = [...ports].filter(([, asked]) => (asked === 'strict') !== isStrict).map(([port]) => port).sort((a, b) => a - b);
    if (others.length === 0) return undefined;
    return isStrict ? [[[PLAINTEXT], ...others.map((port) => [{ ...EMPTY_MATCH, notDestinationPorts: [port] }])]] : others.map((port) => [[{ ...PLAINTEXT, destinationPorts: [port] }]]);
  }
}

const policy = (namespace: string, name: string, rules: readonly Rule[]): AuthorizationPolicy => ({ namespace, name, scope: 'workload', action: 'deny', rules, dryRun: false, unevaluable: undefined });

/** Times of Kubernetes are whole seconds: names decide between equals. */
function byAge(a: PeerAuthentication, b: PeerAuthentication): number {
  return a.createdAt - b.createdAt || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}

function push<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
