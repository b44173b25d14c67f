/** The hub's nats-server configuration: operator mode, all accounts in the file, nothing to ask elsewhere. */

export interface NatsConfig {
  readonly port: number;
  /** Absolute paths, because nats-server resolves relative ones against its working directory. */
  readonly storeDirectory: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly operatorJwt: string;
  readonly systemAccount: string;
  /** Account JWTs by public key; the system account's too. */
  readonly accounts: ReadonlyMap<string, string>;
}

export function natsConfig(config: NatsConfig): string {
  return `# The hub of a Landbridge federation. Start it with: nats-server -c nats.conf
# The folders below are absolute: change them when this directory moves.
server_name: landbridge-hub
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
}

operator: ${quoted(config.operatorJwt)}
system_account: ${quoted(config.systemAccount)}
resolver: MEMORY
resolver_preload: {
${[...config.accounts].map(([account, jwt]) => `  ${account}: ${quoted(jwt)}`).join('\n')}
}
`;
}

/** The configuration's strings know the escapes of JSON that a path can need. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
