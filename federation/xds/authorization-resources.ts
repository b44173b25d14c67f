import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { AuthorizationPolicy, Match, StringMatch } from '@landbridge/core/authorization.ts';
import type { IpPrefix } from '@landbridge/core/ip-address.ts';
import { Action, AuthorizationSchema, type MatchSchema, Scope, type StringMatchSchema } from '@landbridge/wire/gen/authorization_pb.js';
import { type Resource, resource } from './resource.ts';

const SCOPES = { global: Scope.GLOBAL, namespace: Scope.NAMESPACE, workload: Scope.WORKLOAD_SELECTOR } as const satisfies Record<AuthorizationPolicy['scope'], Scope>;
const ACTIONS = { allow: Action.ALLOW, deny: Action.DENY } as const satisfies Record<AuthorizationPolicy['action'], Action>;

/** A policy that stays the same object is encoded once. */
const encoded = new WeakMap<AuthorizationPolicy, Resource>();

/** Policies as resources of the same names. */
export function authorizationResources(policies: ReadonlyMap<string, AuthorizationPolicy>): ReadonlyMap<string, Resource> {
  return new Map([...policies].map(([key, policy]) => {
    let known = encoded.get(policy);
    if (known === undefined) encoded.set(policy, (known = resource(encodeAuthorization(policy))));
    return [key, known];
  }));
}

/** As an istio.security.Authorization. What can not be evaluated has no form there: it must have become rules before. */
export function encodeAuthorization({ namespace, name, scope, action, rules, dryRun }: Omit<AuthorizationPolicy, 'unevaluable'>): Uint8Array {
  return toBinary(AuthorizationSchema, create(AuthorizationSchema, {
    namespace,
    name,
    scope: SCOPES[scope],
    action: ACTIONS[action],
    dryRun,
    rules: rules.map((rule) => ({ clauses: rule.map((clause) => ({ matches: clause.map(matchOf) })) })),
  }));
}

function matchOf(match: Match): MessageInitShape<typeof MatchSchema> {
  return {
    namespaces: match.namespaces.map(textOf),
    notNamespaces: match.notNamespaces.map(textOf),
    principals: match.principals.map(textOf),
    notPrincipals: match.notPrincipals.map(textOf),
    sourceIps: match.sourceIps.map(addressOf),
    notSourceIps: match.notSourceIps.map(addressOf),
    destinationIps: match.destinationIps.map(addressOf),
    notDestinationIps: match.notDestinationIps.map(addressOf),
    destinationPorts: [...match.destinationPorts],
    notDestinationPorts: [...match.notDestinationPorts],
    serviceAccounts: match.serviceAccounts.map((account) => ({ ...account })),
    notServiceAccounts: match.notServiceAccounts.map((account) => ({ ...account })),
  };
}

function textOf(match: StringMatch): MessageInitShape<typeof StringMatchSchema> {
  return { matchType: match.kind === 'presence' ? { case: 'presence', value: {} } : { case: match.kind, value: match.value } };
}

const addressOf = ({ bytes, bits }: IpPrefix) => ({ address: bytes, length: bits });
