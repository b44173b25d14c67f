/** The hub's nats-server configuration: operator mode, nothing to ask elsewhere. */
import { HUB_DOMAIN } from '@landbridge/federation/join/hub-users.ts';

/** Of a hub of several servers. */
export interface NatsCluster {
  /** Of this one. */
  readonly serverName: string;
  /** Where it hears the others. */
  readonly port: number;
  /** Of all, this one among them: `tls://host:port`. */
  readonly routes: readonly string[];
  readonly caFile: string;
}

export interface NatsConfig {
  readonly port: number;
  /** Where leaf nodes of clusters connect; undefined where none may. */
  readonly leafPort?: number | undefined;
  /** Undefined where the hub is one server. */
  readonly cluster?: NatsCluster | undefined;
  /** Absolute paths, because nats-server resolves relative ones against its working directory. */
  readonly storeDirectory: string;
  /** Where it keeps accounts as the founder has changed them. */
  readonly accountsDirectory: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** Account JWTs by public key; the system account's too. A newer one in the folder of accounts counts before these. */
  readonly accounts: ReadonlyMap<string, string>;
}

export function natsConfig(config: NatsConfig): string {
  return `# The hub of a Landbridge federation. Start it with: nats-server -c nats.conf
# The folders below are absolute: change them when this directory moves.
server_name: ${config.cluster?.serverName ?? 'landbridge-hub'}
port: ${config.port}
max_payload: 1MB

tls {
  cert_file: ${quoted(config.certificateFile)}
  key_file: ${quoted(config.keyFile)}
  min_version: "1.3"
  timeout: 5
}

jetstream {
  store_dir: ${quoted(config.storeDirectory)}
  # By this name leaf nodes find the streams.
  domain: ${HUB_DOMAIN}
  # Clusters write again what a power cut took; without this it is up to two minutes.
  sync_interval: "10s"
}
${config.cluster === undefined ? '' : clusterConfig(config, config.cluster)}${config.leafPort === undefined ? '' : leafConfig(config, config.leafPort)}
operator: ${quoted(config.operatorJwt)}
system_account: ${quoted(config.systemAccount)}
# The founder tells the server here which users it must not let in any more.
resolver {
  type: full
  dir: ${quoted(config.accountsDirectory)}
  allow_delete: false
  interval: "1m"
}
resolver_preload: {
${[...config.accounts].map(([account, jwt]) => `  ${account}: ${quoted(jwt)}`).join('\n')}
}
`;
}

/** Servers show each other certificates, and carry nothing for whoever has none. */
function clusterConfig({ certificateFile, keyFile }: NatsConfig, { port, routes, caFile }: NatsCluster): string {
  return `
cluster {
  name: landbridge-hub
  port: ${port}
  tls {
    cert_file: ${quoted(certificateFile)}
    key_file: ${quoted(keyFile)}
    ca_file: ${quoted(caFile)}
    verify: true
    timeout: 5
  }
  routes: [
${routes.map((route) => `    ${quoted(route)}`).join('\n')}
  ]
}
`;
}

/** A leaf node shows the JWT of its cluster, as clients do; certificates of clusters there are none. */
function leafConfig({ certificateFile, keyFile }: NatsConfig, port: number): string {
  return `
leafnodes {
  port: ${port}
  no_advertise: true
  tls {
    cert_file: ${quoted(certificateFile)}
    key_file: ${quoted(keyFile)}
    min_version: "1.3"
    timeout: 5
  }
}
`;
}

/** The configuration's strings know the escapes of JSON that a path can need. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
