import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import type { AgentEnvironment } from './config.ts';
import type { ControlPlaneAccess } from './identity/ca-client.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Further metadata, of one of the two services. */
const MAX_HEADERS = 32;
const HEADER = /^[A-Za-z0-9][-A-Za-z0-9_.]{0,127}$/;
/** Printable: what gRPC lets a value of metadata be (PROTOCOL-HTTP2, "ASCII-Value"). */
const HEADER_VALUE = /^[\x20-\x7e]{0,4096}$/;

/** How discovery (`XDS`) or the certificate authority (`CA`) is reached, by the variables that ztunnel reads. @throws LandbridgeError `bad-config` for a header that can be none */
export function controlPlaneAccess(which: 'XDS' | 'CA', environment: AgentEnvironment, variables: Environment): ControlPlaneAccess {
  const serverName = environment[`ALT_${which}_HOSTNAME`];
  return {
    address: withScheme(environment[`${which}_ADDRESS`]),
    rootPem: rootsOf(environment[`${which}_ROOT_CA`]),
    ...(serverName === '' ? {} : { serverName }),
    token: tokenOf(environment),
    headers: headersOf(`${which}_HEADER_`, variables),
  };
}

/** Without a scheme it is HOST:PORT, as ztunnel has it too. */
const withScheme = (address: string): string => (address.includes('://') ? address : `https://${address}`);

/** Whether the token stands in the environment itself. */
export function holdsToken({ AUTH_TOKEN }: Pick<AgentEnvironment, 'AUTH_TOKEN'>): boolean {
  return AUTH_TOKEN !== '' && !/^[./]/.test(AUTH_TOKEN);
}

function rootsOf(setting: string): () => Buffer {
  if (setting === 'SYSTEM') return () => Buffer.from(getCACertificates('system').join('\n'));
  if (setting.trimStart().startsWith('-----BEGIN')) return () => Buffer.from(setting);
  return () => readFileSync(setting);
}

function tokenOf(environment: AgentEnvironment): () => string {
  const { AUTH_TOKEN, TOKEN_FILE } = environment;
  if (holdsToken(environment)) return () => AUTH_TOKEN;
  return () => readFileSync(AUTH_TOKEN || TOKEN_FILE, 'utf8').trim();
}

function headersOf(prefix: string, variables: Environment): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  for (const [variable, value] of Object.entries(variables)) {
    if (!variable.startsWith(prefix) || value === undefined) continue;
    const name = variable.slice(prefix.length);
    if (!HEADER.test(name) || !HEADER_VALUE.test(value) || /-bin$/i.test(name)) throw new LandbridgeError('bad-config', `${variable} can be no header of a call`, { hint: 'Its name after the prefix is letters, digits, dashes, dots and underscores; its value is printable.' });
    headers.set(name.toLowerCase(), value);
  }
  if (headers.size > MAX_HEADERS) throw new LandbridgeError('bad-config', `more than ${MAX_HEADERS} variables begin with ${prefix}`);
  return headers;
}
