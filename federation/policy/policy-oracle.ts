/** What AuthorizationPolicies mean, evaluated as they are written and in another way than the product does; for tests. */

/** `maybe`: it depends on what a connection does not show, or nobody can say. */
export type Truth = 'yes' | 'no' | 'maybe';

export interface Caller {
  /** Undefined: plaintext. */
  readonly principal: { readonly trustDomain: string; readonly namespace: string; readonly serviceAccount: string } | undefined;
  /** IPv4. */
  readonly ip: string;
  readonly destinationIp: string;
  readonly port: number;
}

type Lists = Readonly<Record<string, readonly string[] | undefined>>;
export interface OracleRule {
  readonly from?: readonly { readonly source: Lists }[];
  readonly to?: readonly { readonly operation: Lists }[];
  readonly when?: readonly { readonly key: string; readonly values?: readonly string[]; readonly notValues?: readonly string[] }[];
}

const all = (truths: readonly Truth[]): Truth => (truths.includes('no') ? 'no' : truths.includes('maybe') ? 'maybe' : 'yes');
const any = (truths: readonly Truth[]): Truth => (truths.includes('yes') ? 'yes' : truths.includes('maybe') ? 'maybe' : 'no');
const not = (truth: Truth): Truth => (truth === 'maybe' ? 'maybe' : truth === 'yes' ? 'no' : 'yes');
const is = (truth: boolean): Truth => (truth ? 'yes' : 'no');

function text(pattern: string, value: string | undefined): Truth {
  if (!/^(\*|\*?[^*]+|[^*]+\*)$/.test(pattern)) return 'maybe';
  if (value === undefined) return 'no';
  if (pattern === '*') return is(value.length > 0);
  return is(new RegExp(`^${pattern.replaceAll(/[.+?^${}()|[\]\\/]/g, '\\$&').replaceAll('*', '[^]*')}$`).test(value));
}

function bits(ip: string): string | undefined {
  const parts = ip.split('.');
  if (parts.length !== 4 || parts.some((part) => String(Number(part)) !== part || Number(part) > 255)) return undefined;
  return parts.map((part) => Number(part).toString(2).padStart(8, '0')).join('');
}

function inBlock(block: string, ip: string): Truth {
  // No caller has an IPv6 address.
  if (/^fd00::(\/8)?$/.test(block)) return 'no';
  const [base = '', length = '32', ...rest] = block.replace(/^::ffff:/, '').split('/');
  const prefix = bits(base);
  if (prefix === undefined || rest.length > 0 || String(Number(length)) !== length || Number(length) > 32) return 'maybe';
  return is((bits(ip) ?? '').startsWith(prefix.slice(0, Number(length))));
}

function evaluate(key: string, value: string, { principal, ip, destinationIp, port }: Caller, ownNamespace: string): Truth {
  switch (key) {
    case 'principals':
      if (value.includes('spiffe://')) return 'maybe';
      return text(value, principal === undefined ? undefined : `${principal.trustDomain}/ns/${principal.namespace}/sa/${principal.serviceAccount}`);
    case 'namespaces':
      return text(value, principal?.namespace ?? '');
    case 'serviceAccounts': {
      const [namespace, name] = value.includes('/') ? [value.slice(0, value.indexOf('/')), value.slice(value.indexOf('/') + 1)] : [ownNamespace, value];
      if (!/^[a-z0-9-]+$/.test(namespace) || !/^[a-z0-9.-]+$/.test(name)) return 'maybe';
      return is(principal?.namespace === namespace && principal.serviceAccount === name);
    }
    case 'ipBlocks':
      return inBlock(value, ip);
    case 'destinationIps':
      return inBlock(value, destinationIp);
    case 'ports':
      return /^[1-9][0-9]*$/.test(value) && Number(value) < 65536 ? is(Number(value) === port) : 'maybe';
    default:
      return 'maybe';
  }
}

const KEYS: Readonly<Record<string, string>> = { 'source.ip': 'ipBlocks', 'source.namespace': 'namespaces', 'source.principal': 'principals', 'destination.ip': 'destinationIps', 'destination.port': 'ports' };

function lists(of: Lists, caller: Caller, ownNamespace: string): Truth {
  const said = Object.entries(of).filter(([, values = []]) => values.length > 0);
  if (said.length === 0) return 'maybe';
  return all(said.map(([name, values = []]) => {
    const positive = name.startsWith('not') ? `${name.charAt(3).toLowerCase()}${name.slice(4)}` : name;
    const found = any(values.map((value) => evaluate(positive, value, caller, ownNamespace)));
    return name.startsWith('not') ? not(found) : found;
  }));
}

export function matches(rule: OracleRule, caller: Caller, ownNamespace: string): Truth {
  const { from = [], to = [], when = [] } = rule;
  return all([
    ...(from.length === 0 ? [] : [any(from.map(({ source }) => lists(source, caller, ownNamespace)))]),
    ...(to.length === 0 ? [] : [any(to.map(({ operation }) => lists(operation, caller, ownNamespace)))]),
    ...when.map(({ key, values = [], notValues = [] }): Truth => {
      const name = KEYS[key] ?? 'unknown';
      return lists({ [name]: values, [`not${name.charAt(0).toUpperCase()}${name.slice(1)}`]: notValues }, caller, ownNamespace);
    }),
  ]);
}

/** Whether a connection is let in by all that apply to it. */
export function isAllowed(policies: readonly { readonly action: 'ALLOW' | 'DENY'; readonly namespace: string; readonly rules: readonly OracleRule[] }[], caller: Caller): Truth {
  const of = (action: string): Truth[] => policies.filter((policy) => policy.action === action).map(({ rules, namespace }) => any(rules.map((rule) => matches(rule, caller, namespace))));
  const allowing = of('ALLOW');
  return all([not(any(of('DENY'))), allowing.length === 0 ? 'yes' : any(allowing)]);
}
