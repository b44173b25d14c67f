/** What is captured: the one table that tests on both kinds of pods and docs/what-is-captured.md are made of. Pure. */

/** `captured`: the agent has it. `untouched`: it goes where it would without a mesh. `refused`: nothing of it arrives. */
export type Outcome = 'captured' | 'untouched' | 'refused';

/** Who begins it. */
export type Origin =
  /** A process of a captured pod. */
  | 'pod'
  /** The agent itself, in the network namespace of a captured pod. */
  | 'agent'
  /** A process in the network namespace of a captured pod and outside all control groups that programs are attached to. */
  | 'outside-control-group'
  /** A process in a network namespace that a captured pod made, and forwards for. */
  | 'inner-namespace'
  /** A pod of the host's network. */
  | 'host-network'
  /** A pod that is not captured. */
  | 'other-pod'
  /** A process of the node that is no kubelet. */
  | 'node'
  | 'kubelet';

export type Destination = 'pod' | 'own-address' | 'loopback' | 'other-pod' | 'node' | 'service' | 'metadata' | 'automatic' | 'elsewhere';

/** How it is begun, as probe.py knows it. */
export type Manner = 'tcp' | 'ipv6-only' | 'fast-open' | 'mptcp' | 'raw-syn' | 'spoofed-syn' | 'udp' | 'icmp' | 'sctp';

export interface Row {
  /** As a reader of the documents knows it. */
  readonly traffic: string;
  readonly origin: Origin;
  readonly manner: Manner;
  readonly family: 4 | 6;
  readonly destination: Destination;
  readonly port: number;
  /** Of the socket (SO_MARK). */
  readonly mark?: 'agent' | 'reply';
  readonly outcome: Outcome;
}

/** Applications of the test listen on it, by TCP and UDP. */
export const APPLICATION_PORT = 8080;
/** A container of the captured pod has a probe of it. */
export const PROBED_PORT = 8081;
/** Where servers of names listen. */
export const DOMAIN_PORT = 53;
/** Where the agent has queries come to in the pod. */
const DNS_PORT = 15053;
const HBONE_PORT = 15008;

type Begun = Partial<Pick<Row, 'origin' | 'manner' | 'family' | 'port' | 'mark'>>;

function row(outcome: Outcome, traffic: string, destination: Destination, { origin = 'pod', manner = 'tcp', family = 4, port = APPLICATION_PORT, ...begun }: Begun = {}): Row {
  return { traffic, origin, manner, family, destination, port, ...begun, outcome };
}

export const ROWS: readonly Row[] = [
  row('captured', 'TCP to another pod', 'other-pod'),
  row('captured', 'TCP to another pod by IPv6', 'other-pod', { family: 6 }),
  row('captured', 'TCP from a socket that is for IPv6 only', 'other-pod', { manner: 'ipv6-only', family: 6 }),
  row('captured', 'TCP to a Service', 'service'),
  row('captured', 'TCP to a node', 'node'),
  row('captured', 'TCP to anything else', 'elsewhere'),
  row('captured', 'TCP to anything else by IPv6', 'elsewhere', { family: 6 }),
  row('captured', 'TCP to the metadata of a cloud, 169.254.169.254', 'metadata', { port: 80 }),
  row('captured', 'TCP to an automatic address of a ServiceEntry, 240.240.0.0/16', 'automatic'),
  row('captured', 'TCP to an automatic address by IPv6', 'automatic', { family: 6 }),
  row('captured', 'TCP to port 53', 'other-pod', { port: DOMAIN_PORT }),
  row('captured', 'TCP Fast Open', 'other-pod', { manner: 'fast-open' }),
  row('captured', 'TCP Fast Open by IPv6', 'other-pod', { manner: 'fast-open', family: 6 }),
  row('captured', 'Multipath TCP', 'other-pod', { manner: 'mptcp' }),
  row('captured', "TCP from a socket with the agent's mark", 'other-pod', { mark: 'agent' }),
  row('captured', "TCP from a socket with the mark of the agent's replies", 'other-pod', { mark: 'reply' }),
  row('untouched', 'TCP to 127.0.0.1', 'loopback'),
  row('untouched', 'TCP to ::1', 'loopback', { family: 6 }),
  row('untouched', "TCP to the pod's own address", 'own-address'),
  row('untouched', "TCP to the pod's own address by IPv6", 'own-address', { family: 6 }),
  row('untouched', 'UDP', 'other-pod', { manner: 'udp' }),
  row('untouched', 'UDP by IPv6', 'other-pod', { manner: 'udp', family: 6 }),
  row('captured', 'UDP to port 53, where servers of names are', 'other-pod', { manner: 'udp', port: DOMAIN_PORT }),
  row('captured', 'UDP to port 53 by IPv6', 'other-pod', { manner: 'udp', family: 6, port: DOMAIN_PORT }),
  row('captured', 'UDP to port 53 of a Service', 'service', { manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', "UDP to port 53 of the pod's own address", 'own-address', { manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', 'UDP to port 53 of 127.0.0.1', 'loopback', { manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', 'ICMP', 'other-pod', { manner: 'icmp' }),
  row('untouched', 'SCTP', 'other-pod', { manner: 'sctp' }),
  row('refused', 'a TCP segment by a raw socket', 'other-pod', { manner: 'raw-syn' }),
  row('refused', 'the same with the source address of somebody else', 'other-pod', { manner: 'spoofed-syn' }),
  row('refused', 'TCP out of a network namespace inside the pod', 'other-pod', { origin: 'inner-namespace' }),
  row('refused', "TCP of a process that is in the pod's network only, not in its control group", 'other-pod', { origin: 'outside-control-group' }),
  row('refused', 'the same by IPv6', 'other-pod', { origin: 'outside-control-group', family: 6 }),
  row('untouched', 'UDP to port 53 of such a process', 'other-pod', { origin: 'outside-control-group', manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', 'UDP to port 53 out of a network namespace inside the pod', 'other-pod', { origin: 'inner-namespace', manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', 'UDP to port 53 of the agent', 'other-pod', { origin: 'agent', manner: 'udp', port: DOMAIN_PORT }),
  row('untouched', 'TCP of the agent', 'other-pod', { origin: 'agent' }),
  row('untouched', 'TCP of a pod on the network of the host', 'other-pod', { origin: 'host-network' }),
  row('captured', 'TCP to a captured pod', 'pod', { origin: 'other-pod' }),
  row('captured', 'TCP to a captured pod by IPv6', 'pod', { origin: 'other-pod', family: 6 }),
  row('captured', 'a tunnel to a captured pod by IPv6', 'pod', { origin: 'other-pod', family: 6, port: HBONE_PORT }),
  row('captured', 'TCP to a captured pod, a port that nobody listens on', 'pod', { origin: 'other-pod', port: 9 }),
  row('captured', 'a tunnel to a captured pod, port 15008', 'pod', { origin: 'other-pod', port: HBONE_PORT }),
  row('captured', 'Multipath TCP to a captured pod', 'pod', { origin: 'other-pod', manner: 'mptcp' }),
  row('captured', 'TCP from the node to a captured pod', 'pod', { origin: 'node' }),
  row('captured', 'TCP from the node to a captured pod, with the mark of the agent', 'pod', { origin: 'node', mark: 'agent' }),
  row('captured', 'TCP from the node to a captured pod, with the mark of replies', 'pod', { origin: 'node', mark: 'reply' }),
  row('untouched', 'TCP to a port that the pod has a probe of', 'pod', { origin: 'kubelet', port: PROBED_PORT }),
  row('captured', 'TCP to another port of a captured pod', 'pod', { origin: 'kubelet' }),
  row('captured', 'TCP from the node to a port that the pod has a probe of', 'pod', { origin: 'node', port: PROBED_PORT }),
  row('captured', 'TCP of a pod on the network of the host to a captured pod', 'pod', { origin: 'host-network' }),
  row('untouched', 'UDP to a captured pod', 'pod', { origin: 'other-pod', manner: 'udp' }),
  row('refused', "UDP to the port of a captured pod at which its agent answers names", 'pod', { origin: 'other-pod', manner: 'udp', port: DNS_PORT }),
  row('refused', 'the same by IPv6', 'pod', { origin: 'other-pod', manner: 'udp', family: 6, port: DNS_PORT }),
  row('refused', 'the same by TCP', 'pod', { origin: 'other-pod', port: DNS_PORT }),
  row('untouched', 'ICMP to a captured pod', 'pod', { origin: 'other-pod', manner: 'icmp' }),
];

/** `origin` of a row, as a reader knows it. */
const WHO: Readonly<Record<Origin, string>> = {
  pod: 'a captured pod',
  agent: "the agent, in a captured pod's network",
  'outside-control-group': "a process of the node that entered a captured pod's network",
  'inner-namespace': 'a captured pod',
  'host-network': "a pod on the host's network",
  'other-pod': 'a pod that is not captured',
  node: 'a process of the node that is not the kubelet',
  kubelet: 'the kubelet',
};

/** The table of docs/what-is-captured.md. */
export function markdownTable(rows: readonly Row[] = ROWS): string {
  return `| from | traffic | outcome |\n|---|---|---|\n${rows.map(({ origin, traffic, outcome }) => `| ${WHO[origin]} | ${traffic} | ${outcome} |\n`).join('')}`;
}
