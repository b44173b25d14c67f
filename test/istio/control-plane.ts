/** What a node proxy is told of a control plane. */
export interface ControlPlane {
  /** `HOST:PORT`, without a scheme. */
  readonly address: string;
  /** The name in its certificate. */
  readonly serverName: string;
  /** A file. */
  readonly roots: string;
  readonly clusterId: string;
  readonly trustDomain: string;
}
