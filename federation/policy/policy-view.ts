import type { KubernetesObject } from '@kubernetes/client-node';
import { type AuthorizationPolicy, policyKey } from '@landbridge/core/authorization.ts';
import { selects } from '../registry/label-selector.ts';
import { oncePerObject } from '../kubernetes/once-per-object.ts';
import { type ConvertedPolicy, convertAuthorizationPolicy } from './authorization-policy.ts';
import { PeerAuthentications, type PeerAuthentication, parsePeerAuthentication } from './peer-authentication.ts';
import type { Verdict } from './verdict.ts';

export interface PolicyObjects {
  readonly authorizationPolicies: readonly KubernetesObject[];
  readonly peerAuthentications: readonly KubernetesObject[];
}

export interface JudgedPolicy {
  readonly object: KubernetesObject;
  readonly verdict: Verdict;
}

/** What agents are to be told of policies, and what is to be said of each. */
export interface PolicyView {
  /** By `<namespace>/<name>`. */
  readonly policies: ReadonlyMap<string, AuthorizationPolicy>;
  readonly judged: readonly JudgedPolicy[];
  /** Keys of the policies that a pod of this cluster must name, sorted. */
  namesFor(namespace: string, labels: Readonly<Record<string, string>>): readonly string[];
}

/** Makes views. An object is converted once for as long as the API server has it unchanged. */
export class PolicyConverter {
  readonly #rootNamespace: string;
  readonly #convert: (object: KubernetesObject) => ConvertedPolicy | undefined;
  readonly #parse: (object: KubernetesObject) => PeerAuthentication | undefined;

  constructor(rootNamespace: string) {
    this.#rootNamespace = rootNamespace;
    this.#convert = oncePerObject((object) => convertAuthorizationPolicy(object, rootNamespace));
    this.#parse = oncePerObject((object) => parsePeerAuthentication(object, rootNamespace));
  }

  view({ authorizationPolicies, peerAuthentications }: PolicyObjects): PolicyView {
    const policies = new Map<string, AuthorizationPolicy>();
    const judged: JudgedPolicy[] = [];
    const selecting = new SelectingPolicies();
    for (const object of authorizationPolicies) {
      const converted = this.#convert(object);
      if (converted === undefined) continue;
      judged.push({ object, verdict: converted.verdict });
      if (converted.policy === undefined) continue;
      policies.set(policyKey(converted.policy), converted.policy);
      if (converted.policy.scope === 'workload') selecting.add(converted.policy, converted);
    }
    const parsed = peerAuthentications.flatMap((object) => {
      const value = this.#parse(object);
      if (value !== undefined) judged.push({ object, verdict: value.verdict });
      return value === undefined ? [] : [value];
    });
    const authentications = new PeerAuthentications(parsed, this.#rootNamespace);
    for (const policy of authentications.policies()) policies.set(policyKey(policy), policy);
    return {
      policies,
      judged,
      namesFor: (namespace, labels) => [...new Set([...selecting.namesFor(namespace, labels), ...selecting.namesFor(this.#rootNamespace, labels), ...authentications.namesFor(namespace, labels)])].sort(),
    };
  }
}

/** Policies with a selector, by namespace and one of the labels that they ask for: a pod meets few of many. */
class SelectingPolicies {
  readonly #byNamespace = new Map<string, Map<string, { readonly key: string; readonly selector: ConvertedPolicy['selector'] }[]>>();

  add(policy: AuthorizationPolicy, { selector }: ConvertedPolicy): void {
    const [first] = selector;
    if (first === undefined) return;
    let byLabel = this.#byNamespace.get(policy.namespace);
    if (byLabel === undefined) this.#byNamespace.set(policy.namespace, (byLabel = new Map()));
    const label = labelKey(...first);
    const entry = { key: policyKey(policy), selector };
    const list = byLabel.get(label);
    if (list === undefined) byLabel.set(label, [entry]);
    else list.push(entry);
  }

  namesFor(namespace: string, labels: Readonly<Record<string, string>>): readonly string[] {
    const byLabel = this.#byNamespace.get(namespace);
    if (byLabel === undefined) return [];
    return Object.entries(labels).flatMap(([key, value]) => (byLabel.get(labelKey(key, value)) ?? []).filter(({ selector }) => selects(selector, labels)).map((entry) => entry.key));
  }
}

/** No part of a label has a line feed. */
const labelKey = (key: string, value: string): string => `${key}\n${value}`;
