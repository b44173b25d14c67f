/** What Istio's chart `ztunnel` (1.31) puts into the environment of its DaemonSet's container. Pure. */

export interface Placed {
  readonly node: string;
  readonly ip: string;
  readonly pod: string;
  readonly namespace: string;
  readonly account: string;
}

export interface Told {
  /** `HOST:PORT`, without a scheme, as in the chart. */
  readonly address: string;
  readonly clusterId: string;
}

export function ztunnelEnvironment({ node, ip, pod, namespace, account }: Placed, { address, clusterId }: Told) {
  return {
    CA_ADDRESS: address,
    XDS_ADDRESS: address,
    RUST_LOG: 'info',
    RUST_BACKTRACE: '1',
    ISTIO_META_CLUSTER_ID: clusterId,
    INPOD_ENABLED: 'true',
    TERMINATION_GRACE_PERIOD_SECONDS: '30',
    POD_NAME: pod,
    POD_NAMESPACE: namespace,
    NODE_NAME: node,
    INSTANCE_IP: ip,
    SERVICE_ACCOUNT: account,
    ISTIO_META_ENABLE_HBONE: 'true',
    ZTUNNEL_CPU_LIMIT: '2',
  } as const satisfies Readonly<Record<string, string>>;
}
