import { fromBinary, type Message } from '@bufbuild/protobuf';
import type { AuthorizationPolicy, Match, StringMatch } from '@landbridge/core/authorization.ts';
import { type IpPrefix, prefixFromBytes } from '@landbridge/core/ip-address.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import { Action, AuthorizationSchema, Scope, type Address, type Match as WireMatch, type Rule, type StringMatch as WireStringMatch } from '@landbridge/wire/gen/authorization_pb.js';

/** More than the largest policies have; a resource beyond it is refused. */
export const MAX_AUTHORIZATION_BYTES = 4 * 1024 * 1024;
const MAX_PORT = 65535;

const SCOPES: Readonly<Record<number, AuthorizationPolicy['scope']>> = { [Scope.GLOBAL]: 'global', [Scope.NAMESPACE]: 'namespace', [Scope.WORKLOAD_SELECTOR]: 'workload' };
const ACTIONS: Readonly<Record<number, AuthorizationPolicy['action']>> = { [Action.ALLOW]: 'allow', [Action.DENY]: 'deny' };

/** What a rule holds that can not be evaluated; caught by {@link parseAuthorization}. */
class Unevaluable extends Error {}

/**
 * Decodes one istio.security.Authorization. Total. A condition that is not known makes the whole policy one that can not
 * be evaluated, since without the condition it would match more, or less, than was meant.
 */
export function parseAuthorization(bytes: Uint8Array): Result<AuthorizationPolicy> {
  if (bytes.length > MAX_AUTHORIZATION_BYTES) return err(`an Authorization of ${bytes.length} bytes`);
  try {
    const wire = fromBinary(AuthorizationSchema, bytes);
    const scope = SCOPES[wire.scope];
    const action = ACTIONS[wire.action];
    if (scope === undefined) return err(`scope ${wire.scope} is not known`);
    if (action === undefined) return err(`action ${wire.action} is not known`);
    const head = { namespace: wire.namespace, name: wire.name, scope, action, dryRun: wire.dryRun };
    try {
      return ok({ ...head, rules: wire.rules.map(ruleOf), unevaluable: undefined });
    } catch (thrown) {
      if (!(thrown instanceof Unevaluable)) throw thrown;
      return ok({ ...head, rules: [], unevaluable: thrown.message });
    }
  } catch (thrown) {
    return err(`not an Authorization: ${String(thrown)}`);
  }
}

function ruleOf(rule: Rule): AuthorizationPolicy['rules'][number] {
  return known(rule, 'rule').clauses.map((clause) => known(clause, 'clause').matches.map(matchOf));
}

function matchOf(wire: WireMatch): Match {
  const [extension] = known(wire, 'match').extensions;
  if (extension !== undefined) throw new Unevaluable(`a match with the extension ${JSON.stringify(extension.name.slice(0, 80))}`);
  return {
    namespaces: wire.namespaces.map(textOf),
    notNamespaces: wire.notNamespaces.map(textOf),
    principals: wire.principals.map(textOf),
    notPrincipals: wire.notPrincipals.map(textOf),
    sourceIps: wire.sourceIps.map(prefixOf),
    notSourceIps: wire.notSourceIps.map(prefixOf),
    destinationIps: wire.destinationIps.map(prefixOf),
    notDestinationIps: wire.notDestinationIps.map(prefixOf),
    destinationPorts: wire.destinationPorts.map(portOf),
    notDestinationPorts: wire.notDestinationPorts.map(portOf),
    serviceAccounts: wire.serviceAccounts.map((account) => accountOf(known(account, 'service account'))),
    notServiceAccounts: wire.notServiceAccounts.map((account) => accountOf(known(account, 'service account'))),
  };
}

const accountOf = ({ namespace, serviceAccount }: { readonly namespace: string; readonly serviceAccount: string }): Match['serviceAccounts'][number] => ({ namespace, serviceAccount });

function textOf(wire: WireStringMatch): StringMatch {
  const { matchType } = known(wire, 'text');
  switch (matchType.case) {
    case 'exact':
    case 'prefix':
    case 'suffix':
      return { kind: matchType.case, value: matchType.value };
    case 'presence':
      return { kind: 'presence' };
    default:
      throw new Unevaluable('a text without a way to match');
  }
}

function prefixOf(wire: Address): IpPrefix {
  const prefix = prefixFromBytes(known(wire, 'address').address, wire.length);
  if (!prefix.ok) throw new Unevaluable(prefix.error);
  return prefix.value;
}

function portOf(port: number): number {
  if (port > MAX_PORT) throw new Unevaluable(`port ${port}`);
  return port;
}

/** A field that this version does not know may narrow what it does know. */
function known<T extends Message>(message: T, what: string): T {
  const [field] = message.$unknown ?? [];
  if (field !== undefined) throw new Unevaluable(`a ${what} with field ${field.no}, which is not known`);
  return message;
}
