import { readFileSync } from 'node:fs';
import * as Type from 'typebox';
import { Check, Default, Errors } from 'typebox/value';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { CLUSTER_DOMAIN, DOMAIN_PATTERN } from '@landbridge/core/names.ts';
import { CREDENTIALS_DIRECTORY } from '@landbridge/kubernetes/api-server-access.ts';

/** Absolute and without `..`; the chart's schema has the same. Not the root: everything on the node would be the kubelet. */
const GroupPath = Type.String({ pattern: '^(/[^/.\\s][^/\\s]*)*$', maxLength: 4096, default: '' });

/** Istio's, as ztunnel assumes it. Istio's manifests leave the scheme out. */
const ControlPlane = Type.String({ pattern: '^(https://)?[^/\\s]+$', default: 'https://istiod.istio-system.svc:15012' });
const Roots = Type.String({ minLength: 1, default: '/var/run/secrets/istio/root-cert.pem' });

/** The agent's environment. Names are those that ztunnel reads where it has them, so that one manifest's habits fit both. */
export const AgentEnvironmentSchema = Type.Object({
  XDS_ADDRESS: ControlPlane,
  CA_ADDRESS: ControlPlane,
  /** Of the servers at the two addresses: a file, PEM, or `SYSTEM` for those of the machine. */
  XDS_ROOT_CA: Roots,
  CA_ROOT_CA: Roots,
  /** The name in their certificates, where it is not the one of the address. */
  ALT_XDS_HOSTNAME: Type.String({ pattern: '^[-a-zA-Z0-9.]{0,253}$', default: '' }),
  ALT_CA_HOSTNAME: Type.String({ pattern: '^[-a-zA-Z0-9.]{0,253}$', default: '' }),
  /** A file that begins with a slash or a dot, or the token itself; TOKEN_FILE where empty. */
  AUTH_TOKEN: Type.String({ maxLength: 16_384, default: '' }),
  TOKEN_FILE: Type.String({ minLength: 1, default: '/var/run/secrets/tokens/istio-token' }),
  /** ISTIO_META_CLUSTER_ID where that is there, which Istio's manifests set. Istio's own default, `Kubernetes`, is no label. */
  CLUSTER_ID: Type.String({ pattern: '^[A-Za-z0-9]([-A-Za-z0-9._]{0,251}[A-Za-z0-9])?$' }),
  TRUST_DOMAIN: Type.String({ pattern: '^[a-z0-9._-]{1,255}$', default: 'cluster.local' }),
  /** Who says which roots vouch for peers: discovery, for each trust domain, or the authority with each certificate, for the own one. Istio's istiod does only the latter. */
  TRUST_SOURCE: Type.Union([Type.Literal('discovery'), Type.Literal('certificates')], { default: 'discovery' }),
  /** Whether addresses are asked for as pods need them, instead of following all; a gateway follows all. */
  XDS_ON_DEMAND: Type.Union([Type.Literal('true'), Type.Literal('false')], { default: 'false' }),
  NETWORK: Type.String({ maxLength: 63, default: '' }),
  /** Under which DNS has the cluster's own Services. */
  CLUSTER_DOMAIN: Type.String({ pattern: DOMAIN_PATTERN, maxLength: 63, default: CLUSTER_DOMAIN }),
  NODE_NAME: Type.String({ minLength: 1, maxLength: 253 }),
  POD_NAME: Type.String({ minLength: 1, maxLength: 253 }),
  POD_NAMESPACE: Type.String({ minLength: 1, maxLength: 63 }),
  LOG_LEVEL: Type.Union(['trace', 'debug', 'info', 'warn', 'error'].map((level) => Type.Literal(level)), { default: 'info' }),
  /** What the agent serves: the pods of its node, or tunnels from other networks (an east-west gateway). */
  ROLE: Type.Union([Type.Literal('node'), Type.Literal('gateway')], { default: 'node' }),
  /** Of the agent's own pod; a gateway is known by them. */
  SERVICE_ACCOUNT: Type.String({ maxLength: 253, default: 'landbridge-agent' }),
  INSTANCE_IP: Type.String({ maxLength: 45, default: '' }),
  /** Data threads; 0 for one for each processor that the agent may use. */
  WORKERS: Type.Integer({ minimum: 0, maximum: 64, default: 0 }),
  /** Whether pods of one node are joined inside the agent (`relay`), or by TLS like all others (`tls`). */
  SAME_NODE: Type.Union([Type.Literal('relay'), Type.Literal('tls')], { default: 'relay' }),
  /** Whether connections that need no tunnel go from the pod itself (`kernel`, without a line in the access log), or by the agent like all others. */
  PLAIN_TRAFFIC: Type.Union([Type.Literal('kernel'), Type.Literal('agent')], { default: 'kernel' }),
  /** Whether queries for names come to the agent, from pods whose annotations say nothing of it. */
  ISTIO_META_DNS_CAPTURE: Type.Union([Type.Literal('true'), Type.Literal('false')], { default: 'true' }),
  ACCESS_LOG: Type.Union([Type.Literal('all'), Type.Literal('errors'), Type.Literal('off')], { default: 'all' }),
  /** Seconds that Kubernetes waits between SIGTERM and SIGKILL; connections get all but the last 5 of them to end. */
  TERMINATION_GRACE_PERIOD_SECONDS: Type.Integer({ minimum: 1, maximum: 3600, default: 30 }),
  /** Who says which pods of the node are in the mesh: the API server (labels), istio-cni, or a file. */
  POD_SOURCE: Type.Union([Type.Literal('kubernetes'), Type.Literal('zds'), Type.Literal('static')], { default: 'kubernetes' }),
  /** The file: a JSON list. */
  STATIC_PODS: Type.String({ maxLength: 4096, default: '' }),
  /** Where istio-cni listens. */
  INPOD_UDS: Type.String({ minLength: 1, maxLength: 107, default: '/var/run/ztunnel/ztunnel.sock' }),
  /** What holds a pod back until it is captured. */
  GATE: Type.Union([Type.Literal('cni'), Type.Literal('nri')], { default: 'cni' }),
  /** Of the container runtime's NRI, which need not be there unless it is the gate; empty: it is not looked for. */
  NRI_SOCKET: Type.String({ maxLength: 107, default: '' }),
  /** Where this very agent tells whether it is ready, while the port of the node may be another one's; none where empty. */
  HEALTH_SOCKET: Type.String({ maxLength: 107, default: '' }),
  /** Folder that the agents of a node share, for handing open connections over; empty: they are left to end. */
  HANDOVER_DIRECTORY: Type.String({ pattern: '^(/[-a-zA-Z0-9._/]{1,80})?$', default: '' }),
  /** Where the agent's CNI plugin asks, the same path for both, of which one is a program of the node; empty: there is no plugin. */
  CNI_SOCKET: Type.String({ pattern: '^(/[-a-zA-Z0-9._/]{1,90})?$', default: '' }),
  /** Folders of the node, where the agent sees them. */
  CNI_CONFIGURATION_DIRECTORY: Type.String({ minLength: 1, default: '/host/etc/cni/net.d' }),
  CNI_EXECUTABLE_DIRECTORY: Type.String({ minLength: 1, default: '/host/opt/cni/bin' }),
  /** How long the plugin waits for an answer; the kubelet gives a runtime 2 minutes. */
  CNI_TIMEOUT_SECONDS: Type.Integer({ minimum: 2, maximum: 110, default: 30 }),
  /** For how long the plugin looks for an agent that is not there. */
  CNI_RETRY_SECONDS: Type.Integer({ minimum: 0, maximum: 110, default: 15 }),
  /** Namespaces whose pods start without an agent, with commas between. */
  CNI_EXEMPT_NAMESPACES: Type.String({ pattern: '^([a-z0-9-]{1,63}(,[a-z0-9-]{1,63})*)?$', default: 'kube-system' }),
  /** Whether to remove the taint with which nodes register, once the gate is in force. */
  LIFT_STARTUP_TAINT: Type.Union([Type.Literal('true'), Type.Literal('false')], { default: 'false' }),
  /** Of which the agent is a pod: when it is deleted, what the agent has put on the node goes too. */
  DAEMON_SET: Type.String({ minLength: 1, maxLength: 253, default: 'landbridge-agent' }),
  CGROUP_ROOT: Type.String({ default: '' }),
  /** The kubelet's control group below the root of cgroup2, such as /system.slice/kubelet.service; empty: it is found. */
  KUBELET_CGROUP: GroupPath,
  BPF_ROOT: Type.String({ default: '/sys/fs/bpf' }),
  /** Where /proc/sys of the node can be written to, which containers that are not privileged have read-only. */
  SYSCTL_ROOT: Type.String({ minLength: 1, default: '/proc/sys' }),
  /** Of the API server; the kubelet sets both. */
  KUBERNETES_SERVICE_HOST: Type.String({ maxLength: 253, default: '' }),
  KUBERNETES_SERVICE_PORT: Type.Integer({ minimum: 1, maximum: 65_535, default: 443 }),
  /** Folder of the token for the API server and of its roots. */
  KUBERNETES_CREDENTIALS: Type.String({ minLength: 1, default: CREDENTIALS_DIRECTORY }),
});

export type AgentEnvironment = Type.Static<typeof AgentEnvironmentSchema>;

/** @throws LandbridgeError `bad-config` naming each variable that is missing or wrong */
export function readEnvironment(variables: Readonly<Record<string, string | undefined>>): AgentEnvironment {
  const environment: typeof variables = { ...variables, CLUSTER_ID: variables['ISTIO_META_CLUSTER_ID'] ?? variables['CLUSTER_ID'] };
  const known = Object.fromEntries(Object.keys(AgentEnvironmentSchema.properties).map((name) => [name, numberIfWanted(name, environment[name])]).filter(([, value]) => value !== undefined));
  const value: unknown = Default(AgentEnvironmentSchema, known);
  if (Check(AgentEnvironmentSchema, value)) return value;
  const problems = [...Errors(AgentEnvironmentSchema, value)].map((error) => `${error.instancePath.slice(1) || 'environment'}: ${error.message}`);
  throw new LandbridgeError('bad-config', `the environment is not complete: ${[...new Set(problems)].slice(0, 8).join('; ')}`, { hint: 'Install the agent with its chart, which sets them all.' });
}

/** All of the environment is text. */
function numberIfWanted(name: string, text: string | undefined): string | number | undefined {
  const { type } = AgentEnvironmentSchema.properties[name as keyof AgentEnvironment] as { readonly type?: string };
  return type === 'integer' && text !== undefined && /^-?[0-9]{1,9}$/.test(text) ? Number(text) : text;
}

/** The mount point of cgroup version 2 below /sys/fs/cgroup: all of it, or `unified` beside version 1. @throws LandbridgeError `no-cgroup2` */
export function findCgroup2(mountinfo: string = readFileSync('/proc/self/mountinfo', 'utf8')): string {
  const mounts = mountinfo.split('\n').filter((line) => line.includes(' - cgroup2 ')).map((line) => line.split(' ')[4] ?? '').filter((point) => point.startsWith('/sys/fs/cgroup'));
  const found = mounts.at(-1);
  if (found === undefined) throw new LandbridgeError('no-cgroup2', 'no cgroup2 is mounted below /sys/fs/cgroup', { hint: 'Mount the host path /sys/fs/cgroup, and boot the node with cgroup2.' });
  return found;
}
