/** ServiceRoute (landbridge.dev/v1alpha1): how the clients of this cluster are divided among the clusters of a service. */
import { clustersetHost } from '@landbridge/core/names.ts';
import Type from 'typebox';
import { Compile } from 'typebox/compile';
import { objectNameValidator } from '../kubernetes/object-name.ts';
import { faultOf } from '../policy/policy-schema.ts';
import { listed, type Verdict } from '../policy/verdict.ts';
import type { ShareRules } from './shares.ts';

/** More clusters than the largest clusterset that is tried. */
export const MAX_ROUTED_CLUSTERS = 256;

const Percent = Type.Optional(Type.Integer({ minimum: 0, maximum: 100 }));

export const ServiceRouteSpecSchema = Type.Object({
  clusters: Type.Array(Type.Object({
    name: Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' }),
    /** Of all connections to the service; together at most 100. Clusters without one share the rest. */
    percent: Percent,
    /** What the cluster gets at most, as long as another one is there to take the rest. */
    maxPercent: Percent,
  }, { additionalProperties: false }), { minItems: 1, maxItems: MAX_ROUTED_CLUSTERS }),
}, { additionalProperties: false });

const specValidator = Compile(ServiceRouteSpecSchema);

export interface ConvertedRoute {
  /** Undefined where it decides nothing. */
  readonly rules: ShareRules | undefined;
  readonly verdict: Verdict;
}

/** For the import of the same namespace and name. Total; undefined for what has not even a name. */
export function convertServiceRoute(object: unknown): ConvertedRoute | undefined {
  const { metadata, spec } = (object ?? {}) as { readonly metadata?: unknown; readonly spec?: unknown };
  if (!objectNameValidator.Check(metadata)) return undefined;
  if (!specValidator.Check(spec)) return refused(faultOf(specValidator, spec, 'spec'));
  const names = spec.clusters.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return refused(`cluster ${twice} is named twice`);
  const percents = new Map(spec.clusters.flatMap(({ name, percent }) => (percent === undefined ? [] : [[name, percent]])));
  const total = [...percents.values()].reduce((sum, percent) => sum + percent, 0);
  if (total > 100) return refused(`the percents add up to ${total}`);
  const caps = new Map(spec.clusters.flatMap(({ name, maxPercent }) => (maxPercent === undefined ? [] : [[name, maxPercent]])));
  return { rules: { percents, caps }, verdict: { kind: 'accepted', message: `In force for ${clustersetHost(metadata.namespace, metadata.name)}.` } };
}

const refused = (fault: string): ConvertedRoute => ({ rules: undefined, verdict: { kind: 'refused', reason: 'Invalid', message: `It decides nothing: ${listed([fault])}.` } });
