/**
 * AuthorizationPolicy and PeerAuthentication (security.istio.io), as far as a proxy of connections has a use for them.
 * A field that is not here would narrow or widen what is meant: what has one can not be evaluated.
 */
import Type, { type Static } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';

/** As in Istio's own definitions. */
export const MAX_RULES = 512;
/** Sources, operations or conditions of one rule. */
export const MAX_PARTS = 512;
/** Values of one list, such as the principals of a source. */
export const MAX_VALUES = 4096;
/** Of one value; a SPIFFE ID has no more (SPIFFE ID specification, section 2.3). */
export const MAX_VALUE_LENGTH = 2048;
/** Labels of one selector, ports of one PeerAuthentication. */
export const MAX_LABELS = 256;
export const MAX_PORTS = 256;

const CLOSED = { additionalProperties: false };
const Values = Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: MAX_VALUE_LENGTH }), { maxItems: MAX_VALUES }));

/** Of a connection. */
const SOURCE_FIELDS = ['principals', 'notPrincipals', 'namespaces', 'notNamespaces', 'serviceAccounts', 'notServiceAccounts', 'ipBlocks', 'notIpBlocks'] as const;
const OPERATION_FIELDS = ['ports', 'notPorts'] as const;
/** Of a request inside a connection, or, as trust domains, nothing that Istio's own protocol can say. */
export const OPAQUE_SOURCE_FIELDS = ['requestPrincipals', 'notRequestPrincipals', 'remoteIpBlocks', 'notRemoteIpBlocks', 'trustDomains', 'notTrustDomains'] as const;
export const OPAQUE_OPERATION_FIELDS = ['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'] as const;

const lists = <K extends string>(names: readonly K[]) => Object.fromEntries(names.map((name) => [name, Values])) as Record<K, typeof Values>;

const SourceSchema = Type.Object(lists([...SOURCE_FIELDS, ...OPAQUE_SOURCE_FIELDS]), CLOSED);
const OperationSchema = Type.Object(lists([...OPERATION_FIELDS, ...OPAQUE_OPERATION_FIELDS]), CLOSED);
const ConditionSchema = Type.Object({ key: Type.String({ minLength: 1, maxLength: MAX_VALUE_LENGTH }), values: Values, notValues: Values }, CLOSED);
const RuleSchema = Type.Object({
  from: Type.Optional(Type.Array(Type.Object({ source: SourceSchema }, CLOSED), { maxItems: MAX_PARTS })),
  to: Type.Optional(Type.Array(Type.Object({ operation: OperationSchema }, CLOSED), { maxItems: MAX_PARTS })),
  when: Type.Optional(Type.Array(ConditionSchema, { maxItems: MAX_PARTS })),
}, CLOSED);

/** Kubernetes: label values are 63 characters and may be empty, keys have a prefix of 253. */
const SelectorSchema = Type.Object({ matchLabels: Type.Optional(Type.Record(Type.String({ maxLength: 317 }), Type.String({ maxLength: 63 }), { maxProperties: MAX_LABELS })) }, CLOSED);

const AuthorizationSpecSchema = Type.Object({
  selector: Type.Optional(SelectorSchema),
  action: Type.Optional(Type.Union([Type.Literal('ALLOW'), Type.Literal('DENY'), Type.Literal('AUDIT'), Type.Literal('CUSTOM')])),
  /** Each by itself: one that can not be read does not spoil the others. */
  rules: Type.Optional(Type.Array(Type.Unknown(), { maxItems: MAX_RULES })),
  provider: Type.Optional(Type.Unknown()),
  targetRef: Type.Optional(Type.Unknown()),
  targetRefs: Type.Optional(Type.Unknown()),
}, CLOSED);

const MutualTls = Type.Object({ mode: Type.Optional(Type.Union([Type.Literal('UNSET'), Type.Literal('DISABLE'), Type.Literal('PERMISSIVE'), Type.Literal('STRICT')])) }, CLOSED);

const PeerAuthenticationSpecSchema = Type.Object({
  selector: Type.Optional(SelectorSchema),
  mtls: Type.Optional(MutualTls),
  /** By port, in decimals. */
  portLevelMtls: Type.Optional(Type.Record(Type.String({ pattern: '^[1-9][0-9]{0,4}$' }), MutualTls, { maxProperties: MAX_PORTS, additionalProperties: false })),
}, CLOSED);

export type Source = Static<typeof SourceSchema>;
export type Operation = Static<typeof OperationSchema>;
export type Condition = Static<typeof ConditionSchema>;
export type PolicyRule = Static<typeof RuleSchema>;
export type MutualTlsMode = NonNullable<Static<typeof MutualTls>['mode']>;

/** Compiled, since thousands of policies are read in one turn: a fortieth of the time. */
export const ruleValidator = Compile(RuleSchema);
export const selectorValidator = Compile(SelectorSchema);
export const authorizationSpecValidator = Compile(AuthorizationSpecSchema);
export const peerAuthenticationSpecValidator = Compile(PeerAuthenticationSpecSchema);

/** Where a value is first seen not to be of a schema. */
export function faultOf(validator: Pick<Validator, 'Errors'>, value: unknown, at: string): string {
  const [fault] = validator.Errors(value);
  return `${at}${fault?.instancePath.replaceAll('/', '.') ?? ''} ${fault?.message ?? 'can not be read'}`;
}
