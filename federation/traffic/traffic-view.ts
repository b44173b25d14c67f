import type { KubernetesObject } from '@kubernetes/client-node';
import { NO_TRAFFIC_POLICY, type TrafficPolicy } from '@landbridge/core/route-plan.ts';
import { oncePerObject } from '../kubernetes/once-per-object.ts';
import type { JudgedPolicy } from '../policy/policy-view.ts';
import { type ConvertedRule, convertDestinationRule, type RulePlace, type TrafficRule } from './destination-rule.ts';

/** What all DestinationRules of the cluster say. */
export interface TrafficView {
  readonly judged: readonly JudgedPolicy[];
  /** Of the host of a service in a namespace; {@link NO_TRAFFIC_POLICY} where no rule is for it. The same object for as long as the rule is the same. */
  readonly policyOf: (namespace: string, host: string) => TrafficPolicy;
}

export const NO_TRAFFIC_RULES: TrafficView = { judged: [], policyOf: () => NO_TRAFFIC_POLICY };

/** Makes views. An object is converted once for as long as the API server has it unchanged. */
export class TrafficConverter {
  readonly #rootNamespace: string;
  readonly #convert: (object: KubernetesObject) => ConvertedRule | undefined;

  constructor(place: RulePlace) {
    this.#rootNamespace = place.rootNamespace;
    this.#convert = oncePerObject((object) => convertDestinationRule(object, place));
  }

  view(objects: readonly KubernetesObject[]): TrafficView {
    const hosts = new Map<string, TrafficRule>();
    const converted = objects.flatMap((object) => {
      const value = this.#convert(object);
      return value === undefined ? [] : [{ object, ...value }];
    });
    for (const { rule } of converted) {
      const known = rule === undefined ? undefined : hosts.get(placeOf(rule.namespace, rule.host));
      if (rule !== undefined && (known === undefined || isOlder(rule, known))) hosts.set(placeOf(rule.namespace, rule.host), rule);
    }
    return {
      judged: converted.map(({ object, rule, verdict }) => {
        const first = rule === undefined ? undefined : hosts.get(placeOf(rule.namespace, rule.host));
        return first === rule ? { object, verdict } : { object, verdict: { kind: 'refused', reason: 'UnsupportedValue', message: `It decides nothing: ${first?.name} is older, and for the same host.` } };
      }),
      policyOf: (namespace, host) => find(hosts, namespace, host) ?? find(hosts, this.#rootNamespace, host) ?? NO_TRAFFIC_POLICY,
    };
  }
}

/** No namespace has a slash. */
const placeOf = (namespace: string, host: string): string => `${namespace}/${host}`;

const isOlder = (a: TrafficRule, b: TrafficRule): boolean => a.createdAt < b.createdAt || (a.createdAt === b.createdAt && a.name < b.name);

/** Of several the one that says most of the name (as Istio: the host itself, then the longest wildcard). */
function find(hosts: ReadonlyMap<string, TrafficRule>, namespace: string, host: string): TrafficPolicy | undefined {
  let found = hosts.get(placeOf(namespace, host));
  for (let dot = host.indexOf('.'); found === undefined && dot !== -1; dot = host.indexOf('.', dot + 1)) found = hosts.get(placeOf(namespace, `*${host.slice(dot)}`));
  return (found ?? hosts.get(placeOf(namespace, '*')))?.policy;
}
