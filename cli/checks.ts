/** What `landbridge check` concludes from what it saw. Pure. */
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { CLUSTERSET_DOMAIN } from '@landbridge/core/names.ts';
import type { Result } from '@landbridge/core/result.ts';
import type { Status } from '@landbridge/federation/admin/admin-api.ts';
import { judgeServerVersion } from './hub-lint/server-version.ts';
import type { NodeKernel } from './node-kernels.ts';

export type CheckState = 'ok' | 'failed' | 'unknown';

export interface CheckResult {
  readonly id: string;
  readonly state: CheckState;
  /** One sentence. */
  readonly message: string;
  readonly hint?: string;
}

export type Seen<T> = Result<T, LandbridgeError>;

export interface Replicas {
  readonly wanted: number;
  readonly ready: number;
}

export interface IstiodSettings {
  /** AMBIENT_ENABLE_MULTI_NETWORK. */
  readonly multiNetwork: boolean;
}

export interface Facts {
  /** Version of the API server. */
  readonly cluster: Seen<string>;
  /** Versions that are established and served, by name of the definition. */
  readonly definitions: Seen<ReadonlyMap<string, readonly string[]>>;
  /** Undefined: not installed. */
  readonly federation: Seen<Replicas | undefined>;
  readonly agents: Seen<Replicas | undefined>;
  /** Of nodes that have an agent, or are to have one. */
  readonly kernels: Seen<readonly NodeKernel[]>;
  readonly status: Seen<Status>;
  /** Undefined: Istio is not installed. */
  readonly istiod: Seen<IstiodSettings | undefined>;
  /** Undefined: there is no ConfigMap of CoreDNS. */
  readonly corefile: Seen<string | undefined>;
}

export const DEFINITIONS = ['serviceexports.multicluster.x-k8s.io', 'serviceimports.multicluster.x-k8s.io'];
const DEFINITION_VERSIONS = ['v1alpha1', 'v1beta1'];

/** In one line of the terminal's. */
const MAX_NAMED_POLICIES = 3;

const ok = (id: string, message: string): CheckResult => ({ id, state: 'ok', message });
const failed = (id: string, message: string, hint: string): CheckResult => ({ id, state: 'failed', message, hint });

/** `nowMs`: milliseconds since 1970. */
export function judge(facts: Facts, nowMs: number): CheckResult[] {
  const { cluster } = facts;
  if (!cluster.ok) {
    const skipped = ['crds-installed', 'federation-ready', 'agents-ready', 'kernels-fit', 'hub-connected', 'hub-version', 'members-synced', 'members-healthy', 'certificates-issued', 'policies-accepted', 'istio-networks', 'coredns-clusterset'];
    return [withError('cluster-reachable', 'failed', cluster.error), ...skipped.map((id): CheckResult => ({ id, state: 'unknown', message: 'Not looked at, because the cluster can not be reached.' }))];
  }
  return [
    ok('cluster-reachable', `The cluster answers (Kubernetes ${cluster.value}).`),
    seen('crds-installed', facts.definitions, judgeDefinitions),
    seen('federation-ready', facts.federation, (replicas) => judgeReplicas('federation-ready', 'landbridge-federation', 'deployment', replicas)),
    seen('agents-ready', facts.agents, (replicas) => judgeReplicas('agents-ready', 'landbridge-agent', 'daemonset', replicas)),
    seen('kernels-fit', facts.kernels, judgeKernels),
    seen('hub-connected', facts.status, judgeHub),
    seen('hub-version', facts.status, ({ hub }) => judgeServerVersion(hub.version)),
    seen('members-synced', facts.status, judgeMembers),
    seen('members-healthy', facts.status, judgeHealth),
    seen('certificates-issued', facts.status, (status) => judgeAuthority(status, nowMs)),
    seen('policies-accepted', facts.status, judgePolicies),
    seen('istio-networks', facts.istiod, (istiod) => judgeIstio(istiod, facts.status)),
    seen('coredns-clusterset', facts.corefile, judgeCorefile),
  ];
}

export function foundProblems(results: readonly CheckResult[]): boolean {
  return results.some(({ state }) => state === 'failed');
}

/** What could not be looked at is neither right nor wrong. */
function seen<T>(id: string, fact: Seen<T>, conclude: (value: T) => CheckResult): CheckResult {
  return fact.ok ? conclude(fact.value) : withError(id, 'unknown', fact.error);
}

function withError(id: string, state: CheckState, error: LandbridgeError): CheckResult {
  return { id, state, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

function judgeDefinitions(definitions: ReadonlyMap<string, readonly string[]>): CheckResult {
  const id = 'crds-installed';
  const hint = 'Install the chart landbridge-federation, or apply the files of its folder crds: Helm does not update them.';
  const absent = DEFINITIONS.filter((name) => !definitions.has(name));
  if (absent.length > 0) return failed(id, `The cluster does not know ${absent.join(' and ')}.`, hint);
  for (const name of DEFINITIONS) {
    const missing = DEFINITION_VERSIONS.filter((version) => !definitions.get(name)?.includes(version));
    if (missing.length > 0) return failed(id, `${name} is not served in ${missing.join(' and ')}.`, hint);
  }
  return ok(id, 'ServiceExport and ServiceImport are served.');
}

function judgeReplicas(id: string, name: string, kind: string, replicas: Replicas | undefined): CheckResult {
  if (replicas === undefined) return failed(id, `${name} is not installed.`, `Install the chart ${name}.`);
  const { wanted, ready } = replicas;
  if (wanted === 0) return failed(id, `${name} is to run on no node.`, `See why: kubectl -n landbridge-system describe ${kind} ${name}`);
  if (ready >= wanted) return ok(id, `${name} is ready (${ready} of ${wanted}).`);
  return failed(id, `${name} is not ready (${ready} of ${wanted}).`, `See why: kubectl -n landbridge-system describe pods -l app.kubernetes.io/name=${name}`);
}

function judgeKernels(kernels: readonly NodeKernel[]): CheckResult {
  const id = 'kernels-fit';
  const unfit = kernels.filter((kernel) => kernel.kind === 'unfit');
  if (unfit.length > 0) return failed(id, unfit.map(({ node, lacks }) => `${node}: ${lacks.replaceAll(/\n-? */g, ' ; ').replace(/: ; /, ': ')}.`).join(' '), 'Linux 6.1 or newer has all of it.');
  const unknown = kernels.filter(({ kind }) => kind === 'unknown').map(({ node }) => node);
  if (kernels.length === 0) return { id, state: 'unknown', message: 'No node has an agent that could tell.' };
  if (unknown.length > 0) return { id, state: 'unknown', message: `Not known of ${shortList(unknown)}: the agent there is not ready, and did not say that it is for the kernel.` };
  return ok(id, `The kernels of ${kernels.length === 1 ? 'the only node' : `all ${kernels.length} nodes`} have what capture needs.`);
}

/** Names that a message has of many. */
const MAX_NAMES = 5;
const shortList = (names: readonly string[]): string => `${names.slice(0, MAX_NAMES).join(', ')}${names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : ''}`;

function judgeHub({ hub, cluster }: Status): CheckResult {
  const id = 'hub-connected';
  if (hub.state === 'connected') return ok(id, `Connected to the hub${hub.url === undefined ? '' : ` at ${hub.url}`}.`);
  if (hub.state === 'none') {
    return failed(id, `Cluster "${cluster}" has not joined a federation${hub.lastError === undefined ? '' : `: ${hub.lastError}`}.`, 'Join one with landbridge join, or found one: landbridge hub init, then apply authority-secret.yaml.');
  }
  const reason = hub.lastError === undefined ? '' : `: ${hub.lastError}`;
  if (hub.isRefused === true) return failed(id, `The hub does not let this cluster in${reason}.`, 'It was revoked, or the hub was made anew: landbridge status in the founder tells which. landbridge leave ends the membership here.');
  return failed(id, `Not connected to the hub${reason}.`, 'See that the hub runs and that pods of this cluster can reach it. What was imported stays as it is meanwhile.');
}

function judgeMembers({ hub, members, cluster }: Status): CheckResult {
  const id = 'members-synced';
  if (hub.state === 'none') return { id, state: 'unknown', message: 'There are no members, because this cluster has not joined.' };
  const live = members.filter(({ revoked }) => !revoked);
  if (live.every((member) => member.cluster !== cluster)) {
    return failed(id, `Cluster "${cluster}" is not among the members that it sees.`, 'Wait until it has read the bus. If that does not help, the founder no longer has it as a member.');
  }
  const waiting = live.filter(({ complete }) => !complete).map((member) => member.cluster);
  if (waiting.length === 0) return ok(id, `All records of ${live.length === 1 ? 'the only member' : `${live.length} members`} have been read.`);
  return failed(id, `Not all records have been read of: ${waiting.join(', ')}.`, 'See in those clusters that landbridge-federation runs and is connected: landbridge check.');
}

function judgeHealth({ hub, members }: Status): CheckResult {
  const id = 'members-healthy';
  if (hub.state === 'none') return { id, state: 'unknown', message: 'There are no members, because this cluster has not joined.' };
  const live = members.filter(({ revoked }) => !revoked);
  if (live.every(({ health }) => health === undefined)) return { id, state: 'unknown', message: 'This version of the federation service does not tell how members are.' };
  const unwell = live.filter(({ health }) => health !== undefined && (health.faults.length > 0 || !['Ready', 'Syncing'].includes(health.state)));
  if (unwell.length === 0) return ok(id, 'Every member is heard, and its records are those that it means.');
  const named = unwell.slice(0, MAX_NAMES).map(({ cluster, health }) => `${cluster} is ${health?.state ?? ''}: ${health?.faults.join(' ') || 'some of its heartbeats are missing.'}`);
  const more = unwell.length - named.length;
  return failed(id, [...named, ...(more > 0 ? [`And ${more} more.`] : [])].join(' '), 'What each state means, and what to do: docs/troubleshooting.md#members-healthy. kubectl describe member shows when it changed.');
}

const DAY_MS = 24 * 3600 * 1000;
/** Before an authority ends somebody has to do something, and may be away. */
const ENDS_SOON_MS = 14 * DAY_MS;

function judgeAuthority({ ca }: Status, nowMs: number): CheckResult {
  const id = 'certificates-issued';
  if (ca === undefined) return { id, state: 'unknown', message: 'This version of the federation service does not tell of its certificate authority.' };
  const day = new Date(ca.notAfter).toISOString().slice(0, 10);
  const hint = 'docs/certificates.md says how an authority is renewed.';
  if (ca.notAfter <= nowMs) return failed(id, `The certificate authority ended on ${day}: nothing is issued any more.`, hint);
  if (ca.fault !== undefined) return failed(id, `${ca.place} can not be used: ${ca.fault}. What was there before stays in use until ${day}.`, `Put it right. ${hint}`);
  if (ca.notAfter - nowMs < ENDS_SOON_MS) return failed(id, `The certificate authority ends on ${day}.`, hint);
  return ok(id, `Certificates are issued by ${ca.subject} until ${day}, under ${ca.roots.length === 1 ? 'one root' : `${ca.roots.length} roots`}.`);
}

function judgePolicies({ policies: { accepted, partial, refused, faults }, consent }: Status): CheckResult {
  const id = 'policies-accepted';
  const [wrong] = consent?.policies.faults ?? [];
  if (wrong !== undefined) return failed(id, `${consent?.policies.refused === 1 ? 'An ImportPolicy' : `${consent?.policies.refused} ImportPolicies`} can not be read; nothing is imported that such a policy governs. ${wrong.name}: ${wrong.message}.`, 'Correct it; each says so in its condition Accepted: kubectl get importpolicies');
  const all = accepted + partial + refused;
  if (partial + refused === 0) return ok(id, all === 0 ? 'There are no policies: every enrolled pod of every member may call every enrolled pod.' : `${all === 1 ? 'The only policy is' : `All ${all} policies are`} in force as written.`);
  const named = faults.slice(0, MAX_NAMED_POLICIES).map(({ kind, namespace, name, message }) => `${kind} ${namespace}/${name}: ${message}`);
  const more = partial + refused - named.length;
  return failed(id, [`Of ${all} policies ${partial + refused} are not in force as they are written.`, ...named, ...(more > 0 ? [`And ${more} more.`] : [])].join(' '), 'Correct them; each says so in its condition Accepted: kubectl get authorizationpolicies,peerauthentications -A');
}

/** With the setting, istiod tells ztunnel of other networks' pods only where a Service of its own is global, and never of those that a ServiceEntry has. */
function judgeIstio(istiod: IstiodSettings | undefined, status: Seen<Status>): CheckResult {
  const id = 'istio-networks';
  if (istiod?.multiNetwork !== true) return ok(id, istiod === undefined ? 'Istio is not installed.' : 'istiod takes what it is told of other networks.');
  if (!status.ok) return withError(id, 'unknown', status.error);
  const { network, members } = status.value;
  const others = members.filter((member) => !member.revoked && member.network !== network).map(({ cluster }) => cluster);
  if (others.length === 0) return ok(id, 'No member is in another network.');
  return failed(id, `istiod does not tell ztunnel of pods of ${others.join(', ')}, which are in other networks.`, 'Set AMBIENT_ENABLE_MULTI_NETWORK=false for istiod.');
}

/** The option of CoreDNS' plugin `kubernetes`. */
const MULTICLUSTER = new RegExp(`^\\s*multicluster\\s+(\\S+\\s+)*${CLUSTERSET_DOMAIN.replace('.', '\\.')}\\.?(\\s|$)`, 'm');

function judgeCorefile(corefile: string | undefined): CheckResult {
  const id = 'coredns-clusterset';
  const hint = `In the ConfigMap coredns of kube-system, name ${CLUSTERSET_DOMAIN} after "kubernetes" and put "multicluster ${CLUSTERSET_DOMAIN}" into its block; CoreDNS must be allowed to list and watch serviceimports.`;
  if (corefile === undefined) return { id, state: 'unknown', message: 'There is no ConfigMap kube-system/coredns: this cluster has another DNS server.', hint };
  const withoutComments = corefile.replace(/#.*$/gm, '');
  return MULTICLUSTER.test(withoutComments) ? ok(id, `CoreDNS answers for ${CLUSTERSET_DOMAIN}.`) : failed(id, `CoreDNS does not answer for ${CLUSTERSET_DOMAIN}.`, hint);
}
