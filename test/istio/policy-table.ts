import { CALLERS, type Caller, GREETER_PORT, PLAIN, SERVERS, type TrialMesh } from './trial-mesh.ts';
import { NAMESPACE } from './cluster.ts';

export interface PolicyRow {
  readonly what: string;
  readonly policies: readonly object[];
  /** Who reaches the servers' port then; the same at each of them. */
  readonly allowed: readonly Caller[];
}

const EVERYONE: readonly Caller[] = [...CALLERS, PLAIN];

const policy = (action: string, rules: readonly object[] | undefined, metadata: object = {}, spec: object = {}): object => ({ apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata: { namespace: NAMESPACE, name: `${action.toLowerCase()}-it`, ...metadata }, spec: { action, ...(rules === undefined ? {} : { rules }), ...spec } });
const authentication = (spec: object, metadata: object = {}): object => ({ apiVersion: 'security.istio.io/v1', kind: 'PeerAuthentication', metadata: { namespace: NAMESPACE, name: 'default', ...metadata }, spec });
const from = (source: object): object => ({ from: [{ source }] });
const to = (operation: object): object => ({ to: [{ operation }] });
const selects = (name: string): object => ({ selector: { matchLabels: { app: name } } });

/** Policies, and what istiod with ztunnel makes of them. `root`: the namespace whose policies are for all. */
export function policyTable(trial: TrialMesh, trustDomain: string, root: string): readonly PolicyRow[] {
  const principal = (name: string): string => `${trustDomain}/ns/${NAMESPACE}/sa/${name}`;
  return [
    { what: 'nothing', policies: [], allowed: EVERYONE },
    { what: 'allow one principal', policies: [policy('ALLOW', [from({ principals: [principal('a')] })])], allowed: ['a'] },
    { what: 'allow a namespace', policies: [policy('ALLOW', [from({ namespaces: [NAMESPACE] })])], allowed: CALLERS },
    { what: 'allow a principal that ztunnel has', policies: [policy('ALLOW', [from({ principals: [principal('z')] })])], allowed: ['z'] },
    { what: 'allow by a prefix and by a suffix', policies: [policy('ALLOW', [from({ principals: [`${trustDomain}/*`] }), from({ principals: ['*/sa/nobody'] })])], allowed: CALLERS },
    { what: 'deny one principal', policies: [policy('DENY', [from({ principals: [principal('z')] })])], allowed: ['a', 'c', PLAIN] },
    { what: 'deny all but one', policies: [policy('DENY', [from({ notPrincipals: [principal('c')] })])], allowed: ['c'] },
    { what: 'allow nothing', policies: [policy('ALLOW', undefined)], allowed: [] },
    { what: 'allow nothing in the root namespace', policies: [policy('ALLOW', undefined, { namespace: root })], allowed: [] },
    { what: 'deny the port', policies: [policy('DENY', [to({ ports: [String(GREETER_PORT)] })])], allowed: [] },
    { what: 'deny another port', policies: [policy('DENY', [to({ ports: ['1'] })])], allowed: EVERYONE },
    { what: 'allow an address', policies: [policy('ALLOW', [from({ ipBlocks: [`${trial.pod('a').address}/32`] })])], allowed: ['a'] },
    { what: 'deny by a condition', policies: [policy('DENY', [{ when: [{ key: 'source.principal', values: ['*/sa/c'] }] }])], allowed: ['a', 'z', PLAIN] },
    { what: 'allow a path, which no layer-4 proxy can see', policies: [policy('ALLOW', [to({ paths: ['/'] })])], allowed: [] },
    { what: 'allow a service account to selected pods', policies: SERVERS.map((name) => policy('ALLOW', [from({ serviceAccounts: [`${NAMESPACE}/c`] })], { name: `for-${name}` }, selects(name))), allowed: ['c'] },
    { what: 'STRICT for the mesh', policies: [authentication({ mtls: { mode: 'STRICT' } }, { namespace: root })], allowed: CALLERS },
    { what: 'STRICT for the namespace', policies: [authentication({ mtls: { mode: 'STRICT' } })], allowed: CALLERS },
    { what: 'STRICT for the mesh, PERMISSIVE for the namespace', policies: [authentication({ mtls: { mode: 'STRICT' } }, { namespace: root }), authentication({ mtls: { mode: 'PERMISSIVE' } })], allowed: EVERYONE },
    { what: 'STRICT for workloads but for the port', policies: SERVERS.map((name) => authentication({ ...selects(name), mtls: { mode: 'STRICT' }, portLevelMtls: { [GREETER_PORT]: { mode: 'PERMISSIVE' } } }, { name: `for-${name}` })), allowed: EVERYONE },
    { what: 'STRICT for the port alone', policies: SERVERS.map((name) => authentication({ ...selects(name), portLevelMtls: { [GREETER_PORT]: { mode: 'STRICT' } } }, { name: `for-${name}` })), allowed: CALLERS },
    { what: 'a dry run', policies: [policy('DENY', [{}], { annotations: { 'istio.io/dry-run': 'true' } })], allowed: EVERYONE },
  ];
}

/** What our federation service converts otherwise than istiod, on purpose (docs/policies.md). */
export function differingTable(who: 'istiod' | 'ours'): readonly PolicyRow[] {
  const stricter = (ours: readonly Caller[]): readonly Caller[] => (who === 'ours' ? ours : EVERYONE);
  return [
    { what: 'allow an address that nobody can read, beside all', policies: [policy('ALLOW', [from({ ipBlocks: ['0.0.0.0/0', '012.0.0.1'] })])], allowed: stricter([]) },
    { what: 'deny a path and nothing else', policies: [policy('DENY', [to({ paths: ['/'] })])], allowed: stricter([]) },
    { what: 'allow nothing to pods of an empty selector', policies: [policy('ALLOW', undefined, {}, { selector: {} })], allowed: stricter([]) },
  ];
}
