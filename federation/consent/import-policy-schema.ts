/** ImportPolicy (landbridge.dev/v1alpha1, cluster-scoped): of which clusters exports are believed here, for what, and how far. */
import Type, { type Static } from 'typebox';
import { Compile } from 'typebox/compile';

/** Rules of a policy. */
export const MAX_RULES = 256;
/** Names, or ranges, of one list. */
export const MAX_VALUES = 256;

const CLOSED = { additionalProperties: false };
/** RFC 1123 label, as names of clusters, namespaces and Services are. */
const Label = Type.String({ pattern: '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$' });
/** An empty list could be meant for none or for all: it is neither. */
const Labels = Type.Optional(Type.Array(Label, { minItems: 1, maxItems: MAX_VALUES }));

export const GovernsSchema = Type.Object({
  /** All where left out. */
  namespaces: Labels,
  /** All where left out. */
  services: Labels,
}, CLOSED);

export const ImportRuleSchema = Type.Object({
  /** Names of clusters; all where left out. */
  clusters: Labels,
  namespaces: Labels,
  services: Labels,
  /** `ADDRESS/BITS`: endpoints elsewhere do not count. All that other rules and limits allow where left out. */
  ranges: Type.Optional(Type.Array(Type.String({ minLength: 3, maxLength: 49 }), { minItems: 1, maxItems: MAX_VALUES })),
  /** Of the ready endpoints of a service at most so many in a hundred are the cluster's, while others have some. */
  maxSharePercent: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
  /** Services that this cluster has too, exported or not, are not meant. */
  unlessLocal: Type.Optional(Type.Boolean()),
}, CLOSED);

export const ImportPolicySpecSchema = Type.Object({
  /** Everything where left out. */
  governs: Type.Optional(GovernsSchema),
  /** Without a rule nothing that the policy governs is imported. */
  allow: Type.Array(ImportRuleSchema, { maxItems: MAX_RULES }),
}, CLOSED);

export type Governs = Static<typeof GovernsSchema>;
export type ImportRule = Static<typeof ImportRuleSchema>;
export type ImportPolicySpec = Static<typeof ImportPolicySpecSchema>;

export const importPolicySpecValidator = Compile(ImportPolicySpecSchema);
export const governsValidator = Compile(GovernsSchema);
